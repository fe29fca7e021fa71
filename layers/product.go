package layers

import "stillhouse/layers/internal/gemm"

// Product is a float32 matrix product of random operands on one instruction set,
// to be timed beside the multiply-adds that this set can do on registers alone.
type Product = gemm.Trial

// ISAs names the instruction sets that the matrix product can use here, the fastest
// last.
func ISAs() []string { return gemm.ISAs() }

// NewProduct returns C[m,n] = op(A)·op(B) over k. The form says which operands
// are stored transposed, A's letter first: NN, NT, TN or TT. A linear layer is
// NT, its gradients are NN and TN. Without a name of an instruction set it is the one
// that training uses.
func NewProduct(isa, form string, m, n, k int) (*Product, error) {
	f, err := gemm.FormByName(form)
	if err != nil {
		return nil, err
	}
	return gemm.NewTrial(isa, f, m, n, k)
}
