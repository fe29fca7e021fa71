package tensor

import "testing"

func TestAnOutlineHasASizeAndNoMemory(t *testing.T) {
	o := Outline(F32, 1<<20, 1<<20) // 4 TiB
	if o.Size() != 1<<40 || o.Bytes() != 4<<40 || !o.Outlined() || o.String() != "F32[1048576 1048576]" {
		t.Errorf("got %v of %d elements, %d bytes", o, o.Size(), o.Bytes())
	}
	if r := o.Rows(3, 5).Reshape(2<<20, 1); !r.Outlined() || r.Size() != 2<<20 || SharesMemory(r, o) || !SharesMemory(r, o.Rows(3, 9)) {
		t.Errorf("rows are %v", r)
	}
	c := o.Clone()
	if !c.Outlined() || SharesMemory(c, o) || Equal(c, o) || SharesMemory(New(F32, 2), o) {
		t.Error("a copy shares what is copied, or equals it")
	}
	if a := o.Another(I32, 7); !a.Outlined() || a.Size() != 7 || a.DType() != I32 {
		t.Errorf("another is %v", a)
	}
	if a := New(F32, 1).Another(I32, 7); a.Outlined() || len(Data[int32](a)) != 7 {
		t.Errorf("another of a tensor is %v", a)
	}
	for name, f := range map[string]func(){
		"Data": func() { Data[float32](o) }, "CopyFrom": func() { New(F32, 1<<4).CopyFrom(Outline(F32, 1<<4)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s of an outline did not panic", name)
				}
			}()
			f()
		}()
	}
}
