package layers

import (
	"stillhouse/layers/autodiff"
	"stillhouse/layers/internal/kernel"
)

// The constructors below choose the floating type of a kernel once, so that
// the layers above are written once.

func (f *Forward) linearKernel(in, out int, o kernel.LinearOptions) autodiff.Kernel {
	if f.f64() {
		return kernel.NewLinear[float64](f.Pool(), f.rows(), in, out, o)
	}
	return kernel.NewLinear[float32](f.Pool(), f.rows(), in, out, o)
}

func (f *Forward) rmsNorm(d int) autodiff.Kernel {
	eps := f.model.Config.NormEps
	if f.f64() {
		return kernel.NewRMSNorm[float64](f.Pool(), f.rows(), d, eps)
	}
	return kernel.NewRMSNorm[float32](f.Pool(), f.rows(), d, eps)
}

func (f *Forward) embedding(v, d int) autodiff.Kernel {
	if f.f64() {
		return kernel.NewEmbedding[float64](f.Pool(), f.rows(), v, d)
	}
	return kernel.NewEmbedding[float32](f.Pool(), f.rows(), v, d)
}

func (f *Forward) swiglu(i int) autodiff.Kernel {
	if f.f64() {
		return kernel.NewSwiGLU[float64](f.Pool(), f.rows(), i)
	}
	return kernel.NewSwiGLU[float32](f.Pool(), f.rows(), i)
}

func (f *Forward) gate() autodiff.Kernel {
	b, t, d := f.Batch.B, f.Batch.T, f.model.Config.HiddenSize
	if f.f64() {
		return flat{kernel.NewGate[float64](f.Pool(), b, t, d), []int{b * t, d}}
	}
	return flat{kernel.NewGate[float32](f.Pool(), b, t, d), []int{b * t, d}}
}

func (f *Forward) add2() autodiff.Kernel {
	n, d := f.rows(), f.model.Config.HiddenSize
	if f.f64() {
		return flat{kernel.NewAddN[float64](f.Pool(), n*d, 2), []int{n, d}}
	}
	return flat{kernel.NewAddN[float32](f.Pool(), n*d, 2), []int{n, d}}
}

func (f *Forward) attention(window int) autodiff.Kernel {
	c := &f.model.Config
	size := kernel.AttentionSize{B: f.Batch.B, T: f.Batch.T, H: c.Heads, G: c.KVHeads, P: c.HeadDim}
	type geometry struct {
		kernel.AttentionSize
		window int
	}
	if f.rope == nil {
		f.rope = c.rope(f.Batch.T, 0) // one for all layers: as many bytes as some of their scratch
	}
	return f.mixing(geometry{size, window}, func() autodiff.Kernel {
		o := kernel.AttentionOptions{Scale: c.scale(), Window: window, Rope: f.rope, Train: f.trains()}
		if f.f64() {
			return kernel.NewAttention[float64](f.Pool(), size, o)
		}
		return kernel.NewAttention[float32](f.Pool(), size, o)
	})
}

// mixing returns the kernel of a mixer of a comparable geometry: what these hold
// beside their output is several times as large. Blocks share one when none
// needs it for long: when no backward pass follows, or that computes it again.
func (f *Forward) mixing(geometry any, make func() autodiff.Kernel) autodiff.Kernel {
	if !f.inBlock || f.trains() && !f.Recompute {
		return make()
	}
	if f.shared[geometry] == nil {
		f.shared[geometry] = make()
	}
	return f.shared[geometry]
}

func (f *Forward) qkNorm() autodiff.Kernel {
	c := &f.model.Config
	size := kernel.QKNormSize{N: f.rows(), H: c.Heads, G: c.KVHeads, P: c.HeadDim}
	if f.f64() {
		return kernel.NewQKNorm[float64](f.Pool(), size, c.NormEps)
	}
	return kernel.NewQKNorm[float32](f.Pool(), size, c.NormEps)
}

func (f *Forward) scaleKernel(s float64) autodiff.Kernel {
	n, d := f.rows(), f.model.Config.HiddenSize
	if f.f64() {
		return flat{kernel.NewScale[float64](f.Pool(), n*d, s), []int{n, d}}
	}
	return flat{kernel.NewScale[float32](f.Pool(), n*d, s), []int{n, d}}
}

func (f *Forward) mamba2(c Mamba2Config) autodiff.Kernel {
	size, o := c.kernel(f.Batch.B, f.Batch.T)
	o.Train = f.trains()
	type geometry struct {
		kernel.Mamba2Size
		kernel.Mamba2Options
	}
	return f.mixing(geometry{size, o}, func() autodiff.Kernel {
		if f.f64() {
			return kernel.NewMamba2[float64](f.Pool(), size, o)
		}
		return kernel.NewMamba2[float32](f.Pool(), size, o)
	})
}

func (c Mamba2Config) kernel(b, t int) (kernel.Mamba2Size, kernel.Mamba2Options) {
	norm := 1
	if c.GroupedNorm {
		norm = c.Groups
	}
	return kernel.Mamba2Size{B: b, T: t, H: c.Heads, P: c.HeadDim, G: c.Groups, N: c.State, K: c.Conv},
		kernel.Mamba2Options{Chunk: c.Chunk, NormGroups: norm, Eps: c.NormEps}
}

func (f *Forward) mamba1(c Mamba1Config) autodiff.Kernel {
	size, o := c.kernel(f.Batch.B, f.Batch.T)
	o.Train = f.trains()
	type geometry struct {
		kernel.Mamba1Size
		kernel.Mamba1Options
	}
	return f.mixing(geometry{size, o}, func() autodiff.Kernel {
		if f.f64() {
			return kernel.NewMamba1[float64](f.Pool(), size, o)
		}
		return kernel.NewMamba1[float32](f.Pool(), size, o)
	})
}

func (c Mamba1Config) kernel(b, t int) (kernel.Mamba1Size, kernel.Mamba1Options) {
	return kernel.Mamba1Size{B: b, T: t, E: c.Inner, Xb: c.XB, N: c.State, K: c.Conv},
		kernel.Mamba1Options{RepeatGroup: c.RepeatGroup}
}

// flat is a kernel under the shape [N,D] that the residual stream has.
type flat struct {
	autodiff.Kernel
	shape []int
}

func (k flat) OutShape() []int { return k.shape }

// Passes hands on what the embedded kernel says: an interface does not promote
// methods it does not list.
func (k flat) Passes(i int) bool {
	p, ok := k.Kernel.(interface{ Passes(int) bool })
	return ok && p.Passes(i)
}

// UsesIn is likewise; a kernel that does not say uses all.
func (k flat) UsesIn(i int) bool {
	u, ok := k.Kernel.(interface{ UsesIn(int) bool })
	return !ok || u.UsesIn(i)
}

// Keeps is likewise; a kernel that does not say keeps something.
func (k flat) Keeps() bool {
	p, ok := k.Kernel.(interface{ Keeps() bool })
	return !ok || p.Keeps()
}
