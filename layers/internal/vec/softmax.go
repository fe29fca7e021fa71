package vec

import (
	"fmt"
	"math"

	"stillhouse/layers/tensor"
)

// Attention's softmax, over rows of one length that lie ld apart; what a row does not
// see is -Inf.

// Softmax turns rows x of n scores into weights: with scale > 0 and m[i] the largest
// scale·x of row i, x = exp(scale·x - m[i]), and z[i] is their sum. Divided by it they
// are probabilities. It panics unless m and z are as long as there are rows, and x holds
// them.
func Softmax[T tensor.Float](x []T, ld, n int, scale T, m, z []T) {
	rows := len(m)
	checkRows("Softmax", x, ld, n, rows, len(z))
	if rows == 0 || n == 0 {
		return
	}
	if accelerated[T]() {
		softmax32(n, at(x, (rows-1)*ld+n), float32(scale), ld, rows, at(m, rows), at(z, rows))
		return
	}
	for i := range m {
		row := x[i*ld:][:n]
		m[i], z[i] = T(math.Inf(-1)), 0
		for _, v := range row {
			m[i] = max(m[i], scale*v)
		}
		z[i] = ExpSum(row, row, scale, m[i])
	}
}

// SoftmaxGrad turns rows x of n scores into probabilities again, r[i] being 1/z[i], and
// rows dp of the probabilities' gradients into the scores': x = exp(scale·x - m[i])·r[i]
// and dp = scale·x·(dp - Σ x·dp).
func SoftmaxGrad[T tensor.Float](x, dp []T, ld, n int, scale T, m, r []T) {
	rows := len(m)
	checkRows("SoftmaxGrad", x, ld, n, rows, len(r))
	checkRows("SoftmaxGrad", dp, ld, n, rows, len(r))
	if rows == 0 || n == 0 {
		return
	}
	if accelerated[T]() {
		softmaxGrad32(n, at(x, (rows-1)*ld+n), at(dp, (rows-1)*ld+n), float32(scale), ld, rows, at(m, rows), at(r, rows))
		return
	}
	for i := range m {
		p, d := x[i*ld:][:n], dp[i*ld:][:n]
		var mean T
		for j := range p {
			p[j] = weight(scale*p[j]-m[i]) * r[i]
			mean += p[j] * d[j]
		}
		for j := range p {
			d[j] = scale * p[j] * (d[j] - mean)
		}
	}
}

func checkRows[T tensor.Float](name string, x []T, ld, n, rows, others int) {
	if rows != others || n < 0 || rows > 0 && (ld < n || len(x) < (rows-1)*ld+n) {
		panic(fmt.Sprintf("vec: %s: %d elements for %d rows of %d, %d apart, with %d numbers", name, len(x), rows, n, ld, others))
	}
}
