package layers

import "testing"

// D 8, 1 attention and 1 Mamba-2 layer, 2/1 heads of 4, SwiGLU 16, V 10.
func TestTheArithmeticOfASmallModelIsWhatOneCountsByHand(t *testing.T) {
	teacher := Config{VocabSize: 10, HiddenSize: 8, Intermediate: 16, Heads: 2, KVHeads: 1, HeadDim: 4,
		Mixers: []Mixed{{Kind: KindAttention}, {Kind: KindAttention}}}
	student := teacher.Clone()
	student.Mixers[1] = Mixed{Kind: KindMamba2, Mamba2: &Mamba2Config{Heads: 2, HeadDim: 4, Groups: 2, State: 3, Conv: 4}}
	const seq = 5
	// Attention: qkv 16 rows of 8 and o 8 of 8, 2 a weight; q·k and p·v over a
	// mean past of 3 tokens, 2·8 wide, 2 a product. MLP: 3 matrices of 8·16.
	linear := 2.0*(16*8+8*8) + 2*3*8*16
	attention := 2.0 * (8 + 8) * 3
	if got := teacher.ArithmeticByOp(seq); got["linear"] != 2*linear || got["attention"] != 2*attention || got["head_loss"] != 160 {
		t.Errorf("teacher: got %v, want linear %g, attention %g, head_loss 160", got, 2*linear, 2*attention)
	}
	// Mamba-2: E 8; in_proj z 8 + x 8 + B 6 + C 6 + Δ 2 = 30 rows of 8, out_proj
	// 8 of 8; the state of 8·3 takes 5 a token; 20 channels of 4 taps, 2 each.
	mamba := 5.0*8*3 + 2*4*20
	body, head := student.Arithmetic(seq)
	want := linear + attention + 2*(30*8+8*8) + 2*3*8*16 + mamba
	if body != want || head != 160 {
		t.Errorf("student: got %g and head %g, want %g and 160", body, head, want)
	}
	const n = 10
	step := n * (2*linear + 2*attention + 160 + 3*(want+160))
	if got := StepArithmetic(&teacher, &student, n, seq); got != step {
		t.Errorf("step: got %g, want %g", got, step)
	}
	sum := 0.0
	for _, w := range StepArithmeticByOp(&teacher, &student, n, seq) {
		sum += w.Forward + w.Backward
	}
	if sum != step {
		t.Errorf("by operation: got %g together, want %g", sum, step)
	}
	if got, want := StepArithmetic(nil, &student, n, seq), n*3*(want+160); got != want {
		t.Errorf("without a teacher: got %g, want %g", got, want)
	}
}
