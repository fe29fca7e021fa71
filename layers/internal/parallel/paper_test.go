package parallel

import "testing"

func TestAPoolOnPaperNotesMemoryAndRunsNothing(t *testing.T) {
	p := OnPaper(3)
	defer p.Close()
	if !p.Enter(5) || !p.Enter(7) || p.Entered() != 12 || p.Threads() != 3 {
		t.Errorf("%d bytes of 12 on %d threads", p.Entered(), p.Threads())
	}
	real := New(2)
	defer real.Close()
	var none *Pool
	if real.Enter(5) || none.Enter(5) || real.Entered() != 0 || none.Entered() != 0 {
		t.Error("a pool that runs took note")
	}
	defer func() {
		if recover() == nil {
			t.Error("it ran something")
		}
	}()
	p.For(2, func(int) {})
}
