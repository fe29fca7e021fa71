package vec

import "stillhouse/layers/tensor"

// loop is one function under test: it calls it on slices s and scalars c, and
// returns what it returns, up to two numbers.
type loop[T tensor.Float] func(s [][]T, c []T) [2]T

// subject is a function in both precisions. The first outs slices are written;
// the last ones of them may also be read.
type subject struct {
	name         string
	outs, slices int
	scalars      []float64
	single       loop[float32]
	double       loop[float64]
	// rel bounds the error of an element relative to 1 + its size, or, for a
	// returned sum over n elements, to n times the largest term.
	rel float64
}

func subjects() []subject {
	single, double := loops[float32](), loops[float64]()
	shapes := []subject{
		{name: "Dot", slices: 2, rel: 1e-6},
		{name: "SumSq", slices: 1, rel: 1e-6},
		{name: "Max", slices: 1, rel: 0},
		{name: "Add", outs: 1, slices: 3, rel: 1e-7},
		{name: "AddTo", outs: 1, slices: 2, rel: 1e-7},
		{name: "Mul", outs: 1, slices: 3, rel: 1e-6},
		{name: "MulTo", outs: 1, slices: 2, rel: 1e-6},
		{name: "MulAddTo", outs: 1, slices: 3, rel: 1e-6},
		{name: "Scale", outs: 1, slices: 2, scalars: []float64{0.75}, rel: 1e-6},
		{name: "Axpy", outs: 1, slices: 2, scalars: []float64{-1.5}, rel: 1e-6},
		{name: "Axpby", outs: 1, slices: 2, scalars: []float64{-1.5, 0.25}, rel: 1e-6},
		{name: "MulAddScalar", outs: 1, slices: 3, scalars: []float64{0.75}, rel: 1e-6},
		{name: "Triad", outs: 1, slices: 3, scalars: []float64{0.75}, rel: 1e-6},
		{name: "RMSApply", outs: 1, slices: 3, scalars: []float64{0.75}, rel: 1e-6},
		{name: "RMSSums", outs: 1, slices: 4, scalars: []float64{0.75}, rel: 1e-6},
		{name: "RMSGrad", outs: 1, slices: 4, scalars: []float64{0.75, 0.25}, rel: 1e-6},
		{name: "Rotate", outs: 2, slices: 6, rel: 1e-6},
		{name: "RotateBack", outs: 2, slices: 6, rel: 1e-6},
		{name: "Conv4", outs: 1, slices: 10, rel: 2e-6},
		{name: "ConvGrad4", outs: 5, slices: 10, rel: 1e-6},
		{name: "Decay", outs: 1, slices: 4, scalars: []float64{-2, 0.25}, rel: 2e-6},
		{name: "Exp", outs: 1, slices: 2, rel: 2.4e-7},
		{name: "Sigmoid", outs: 1, slices: 2, rel: 2.4e-7},
		{name: "Softplus", outs: 1, slices: 2, rel: 2.4e-7},
		{name: "SiLU", outs: 1, slices: 2, rel: 3e-7},
		{name: "SiLUGrad", outs: 1, slices: 3, rel: 2e-6},
		{name: "SwiGLU", outs: 1, slices: 3, rel: 1e-6},
		{name: "SwiGLUGrad", outs: 2, slices: 5, rel: 2e-6},
		{name: "ExpSum", outs: 1, slices: 2, scalars: []float64{0.75, 2}, rel: 1e-6},
		{name: "LogSumExp", slices: 1, scalars: []float64{0.75}, rel: 1e-6},
		{name: "ReverseKLRow", outs: 1, slices: 3, scalars: []float64{0.75, 4, 5}, rel: 2e-6},
		{name: "ReverseKLGrad", outs: 1, slices: 3, scalars: []float64{0.75, 4, 5, 0.5, 0.25}, rel: 2e-6},
		{name: "ForwardKLRow", outs: 1, slices: 3, scalars: []float64{0.75, 4, 5}, rel: 2e-6},
		{name: "AdamW", outs: 3, slices: 4, scalars: []float64{0.5, 1e-2, 0.125, 0.875, 0.984375, 1e-4, 0.5, 0.125}, rel: 2e-6},
	}
	for i := range shapes {
		s := &shapes[i]
		s.single, s.double = single[s.name], double[s.name]
	}
	return shapes
}

func loops[T tensor.Float]() map[string]loop[T] {
	return map[string]loop[T]{
		"Dot":          func(s [][]T, c []T) (r [2]T) { r[0] = Dot(s[0], s[1]); return },
		"SumSq":        func(s [][]T, c []T) (r [2]T) { r[0] = SumSq(s[0]); return },
		"Max":          func(s [][]T, c []T) (r [2]T) { r[0] = Max(s[0]); return },
		"Add":          func(s [][]T, c []T) (r [2]T) { Add(s[0], s[1], s[2]); return },
		"AddTo":        func(s [][]T, c []T) (r [2]T) { AddTo(s[0], s[1]); return },
		"Mul":          func(s [][]T, c []T) (r [2]T) { Mul(s[0], s[1], s[2]); return },
		"MulTo":        func(s [][]T, c []T) (r [2]T) { MulTo(s[0], s[1]); return },
		"MulAddTo":     func(s [][]T, c []T) (r [2]T) { MulAddTo(s[0], s[1], s[2]); return },
		"Scale":        func(s [][]T, c []T) (r [2]T) { Scale(s[0], c[0], s[1]); return },
		"Axpy":         func(s [][]T, c []T) (r [2]T) { Axpy(s[0], c[0], s[1]); return },
		"Axpby":        func(s [][]T, c []T) (r [2]T) { Axpby(s[0], c[0], s[1], c[1]); return },
		"MulAddScalar": func(s [][]T, c []T) (r [2]T) { MulAddScalar(s[0], s[1], s[2], c[0]); return },
		"Triad":        func(s [][]T, c []T) (r [2]T) { Triad(s[0], s[1], s[2], c[0]); return },
		"RMSApply":     func(s [][]T, c []T) (r [2]T) { RMSApply(s[0], s[1], s[2], c[0]); return },
		"RMSSums":      func(s [][]T, c []T) (r [2]T) { r[0] = RMSSums(s[0], s[1], s[2], s[3], c[0]); return },
		"RMSGrad":      func(s [][]T, c []T) (r [2]T) { RMSGrad(s[0], s[1], s[2], s[3], c[0], c[1]); return },
		"Rotate":       func(s [][]T, c []T) (r [2]T) { Rotate(s[0], s[1], s[2], s[3], s[4], s[5]); return },
		"RotateBack":   func(s [][]T, c []T) (r [2]T) { RotateBack(s[0], s[1], s[2], s[3], s[4], s[5]); return },
		"Conv4": func(s [][]T, c []T) (r [2]T) {
			Conv4(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9])
			return
		},
		"ConvGrad4": func(s [][]T, c []T) (r [2]T) {
			ConvGrad4(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9])
			return
		},
		"Decay":      func(s [][]T, c []T) (r [2]T) { Decay(s[0], s[1], s[2], s[3], c[0], c[1]); return },
		"Exp":        func(s [][]T, c []T) (r [2]T) { Exp(s[0], s[1]); return },
		"Sigmoid":    func(s [][]T, c []T) (r [2]T) { Sigmoid(s[0], s[1]); return },
		"Softplus":   func(s [][]T, c []T) (r [2]T) { Softplus(s[0], s[1]); return },
		"SiLU":       func(s [][]T, c []T) (r [2]T) { SiLU(s[0], s[1]); return },
		"SiLUGrad":   func(s [][]T, c []T) (r [2]T) { SiLUGrad(s[0], s[1], s[2]); return },
		"SwiGLU":     func(s [][]T, c []T) (r [2]T) { SwiGLU(s[0], s[1], s[2]); return },
		"SwiGLUGrad": func(s [][]T, c []T) (r [2]T) { SwiGLUGrad(s[0], s[1], s[2], s[3], s[4]); return },
		"ExpSum":     func(s [][]T, c []T) (r [2]T) { r[0] = ExpSum(s[0], s[1], c[0], c[1]); return },
		"LogSumExp":  func(s [][]T, c []T) (r [2]T) { r[0], r[1] = LogSumExp(s[0], c[0]); return },
		"ReverseKLRow": func(s [][]T, c []T) (r [2]T) {
			r[0] = ReverseKLRow(s[0], s[1], s[2], c[0], c[1], c[2])
			return
		},
		"ReverseKLGrad": func(s [][]T, c []T) (r [2]T) {
			ReverseKLGrad(s[0], s[1], s[2], c[0], c[1], c[2], c[3], c[4])
			return
		},
		"ForwardKLRow": func(s [][]T, c []T) (r [2]T) {
			r[0] = ForwardKLRow(s[0], s[1], s[2], c[0], c[1], c[2])
			return
		},
		"AdamW": func(s [][]T, c []T) (r [2]T) {
			AdamW(s[0], s[1], s[2], s[3], c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7])
			return
		},
	}
}
