package kernel

// RowStatistics is what a HeadLoss with Stats saw of each row, [N] each; 0 in
// rows of weight 0. The divergences are at temperature 1, whatever the terms.
type RowStatistics struct {
	CE        []float64 // cross entropy with the label, if there is one
	KL        []float64 // KL(teacher‖student), if there is a teacher
	ReverseKL []float64 // KL(student‖teacher), likewise
	Agree     []bool    // both have their largest logit at the same token
}

// Statistics returns the rows of the last Forward, sharing memory.
func (k *HeadLoss[T]) Statistics() RowStatistics {
	return RowStatistics{k.RowCE, k.RowKL, k.RowReverseKL, k.RowAgree}
}
