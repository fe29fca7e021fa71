package safetensors

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	peer "github.com/nlpodyssey/safetensors"
	"pgregory.net/rapid"

	"stillhouse/layers/tensor"
)

// compare holds a file that we accept against what another implementation makes
// of it: names, dtypes, shapes, the very bytes of every tensor, metadata. A dtype
// that the other has not (those of less than a byte, FP8) is passed over.
func compare(f *File, b []byte) error {
	infos := f.Infos()
	if slices.ContainsFunc(infos, func(i Info) bool { _, err := peer.ParseDType(string(i.DType)); return err != nil }) {
		return nil
	}
	p, err := peer.Deserialize(b)
	if err != nil {
		return fmt.Errorf("the other refuses it: %w", err)
	}
	if p.Len() != len(infos) {
		return fmt.Errorf("%d tensors, the other has %d", len(infos), p.Len())
	}
	for _, i := range infos {
		v, ok := p.Tensor(i.Name)
		if !ok {
			return fmt.Errorf("the other has no %q", i.Name)
		}
		shape := make([]int, len(v.Shape()))
		for k, n := range v.Shape() {
			shape[k] = int(n)
		}
		if v.DType().String() != string(i.DType) || !slices.Equal(shape, i.Shape) {
			return fmt.Errorf("%q is %s %v, the other has %s %v", i.Name, i.DType, i.Shape, v.DType(), shape)
		}
		if from := f.body + i.Offset; !bytes.Equal(v.Data(), b[from:from+i.Bytes]) {
			return fmt.Errorf("%q has other bytes", i.Name)
		}
	}
	_, meta, err := peer.ReadMetadata(b)
	if err != nil || !maps.Equal(meta.Metadata(), f.Metadata()) {
		return fmt.Errorf("metadata %v, the other has %v, %v", f.Metadata(), meta.Metadata(), err)
	}
	return nil
}

func TestAnotherReaderSeesInOurFilesWhatWeSee(t *testing.T) {
	b := sample(t)
	f, err := Parse("sample", b)
	if err != nil {
		t.Fatal(err)
	}
	if err := compare(f, b); err != nil {
		t.Error(err)
	}
	f.header.infos[0].Shape = []int{1}
	if compare(f, b) == nil {
		t.Error("a wrong shape went unseen")
	}
}

// drawn is a set of tensors of every dtype that both write.
func drawn(t *rapid.T) map[string]peer.TensorView {
	views := map[string]peer.TensorView{}
	for _, n := range rapid.SliceOfNDistinct(rapid.StringN(1, 12, 40), 0, 8, rapid.ID[string]).Draw(t, "names") {
		if n == metaKey {
			continue
		}
		d := rapid.SampledFrom([]peer.DType{peer.F64, peer.F32, peer.F16, peer.BF16, peer.I64, peer.I32}).Draw(t, "dtype")
		shape, size := []uint64{}, d.Size()
		for range rapid.IntRange(1, 4).Draw(t, "rank") { // its views of scalars are empty
			shape = append(shape, rapid.Uint64Range(0, 4).Draw(t, "size"))
			size *= shape[len(shape)-1]
		}
		v, err := peer.NewTensorView(d, shape, rapid.SliceOfN(rapid.Byte(), int(size), int(size)).Draw(t, "data"))
		if err != nil {
			t.Fatal(err)
		}
		views[n] = v
	}
	return views
}

func TestWhatAnotherWriterWritesIsReadAndWrittenAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		meta := rapid.MapOfN(rapid.String(), rapid.String(), 1, 3).Draw(t, "meta")
		b, err := peer.Serialize(drawn(t), meta)
		if err != nil {
			t.Fatal(err)
		}
		f, err := Parse("theirs", b)
		if err != nil {
			t.Fatal(err)
		}
		if err := compare(f, b); err != nil {
			t.Fatal(err)
		}
		var named []Named
		for _, i := range f.Infos() {
			x, err := f.Read(i.Name)
			if i.DType == I64 && err != nil { // wider than what holds it here
				x = tensor.New(tensor.I32, i.Shape...)
			} else if err != nil {
				t.Fatal(err)
			}
			named = append(named, Named{Name: i.Name, Tensor: x, DType: i.DType})
		}
		var again bytes.Buffer
		if err := Write(&again, named, f.Metadata()); err != nil {
			t.Fatal(err)
		}
		g, err := Parse("ours", again.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if err := compare(g, again.Bytes()); err != nil {
			t.Fatal(err)
		}
	})
}
