package tensor

// A gradient is of no use once its step is taken, and the next step adds to it
// from zero. Clearing all of them costs as much as reading them for their norm;
// so they are discarded instead, and who comes first overwrites.

// Discard makes t count as zero without touching its memory. Until [Tensor.Settle]
// or [Tensor.Take], Data and Rows of t panic. Views made before know nothing of it.
func (t *Tensor) Discard() { t.discarded = true }

// Settle clears t if it is discarded.
func (t *Tensor) Settle() {
	if t.Take() {
		t.Zero()
	}
}

// Take reports whether t is discarded, and that it is no longer: the caller then
// writes every element without reading one.
func (t *Tensor) Take() (discarded bool) {
	discarded, t.discarded = t.discarded, false
	return discarded
}
