package checkpoints

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"

	"stillhouse/checkpoints/internal/durable"
	"stillhouse/checkpoints/safetensors"
	"stillhouse/layers/tensor"
)

// Average writes the weighted average of some weights to the safetensors file
// out, atomically: w = Σ weights[i]·w_i, summed in float64 in the order of
// paths, rounded once (model soups, arXiv:2203.05482). A path is a checkpoint
// folder, verified first, or a safetensors file. Nil weights are equal ones;
// given ones must sum to 1. Half precision becomes F32; integers must agree.
// One tensor at a time is in memory.
func Average(out string, paths []string, weights []float64) error {
	if err := average(durable.OS(), out, paths, weights); err != nil {
		return fmt.Errorf("checkpoints: average: %w", durable.Hint(err))
	}
	return nil
}

func average(ops durable.Ops, out string, paths []string, weights []float64) error {
	weights, err := checkWeights(weights, len(paths))
	if err != nil {
		return err
	}
	var files []*safetensors.File
	defer func() {
		for _, f := range files {
			f.Close() // read only: nothing can be lost
		}
	}()
	for _, p := range paths {
		f, err := openWeights(p)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	infos := files[0].Infos()
	var differ []error
	for i, f := range files[1:] {
		differ = append(differ, compareInfos(paths[0], infos, paths[i+1], f))
	}
	if err := errors.Join(differ...); err != nil {
		return err
	}
	for i := range infos {
		infos[i].DType = averageType(infos[i].DType)
	}
	return ops.Replace(out, filePerm, func(w io.Writer) error {
		fw, err := safetensors.NewWriter(w, infos, nil)
		if err != nil {
			return err
		}
		for _, info := range fw.Order() {
			t, err := averageTensor(info.Name, files, weights)
			if err == nil {
				err = fw.Put(t)
			}
			if err != nil {
				return err
			}
		}
		return fw.Close()
	})
}

func checkWeights(weights []float64, n int) ([]float64, error) {
	if n == 0 {
		return nil, errors.New("no checkpoints are named")
	}
	if weights == nil {
		weights = slices.Repeat([]float64{1 / float64(n)}, n)
	}
	if len(weights) != n {
		return nil, fmt.Errorf("%d weights for %d checkpoints", len(weights), n)
	}
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	if !(math.Abs(sum-1) < 1e-6) { // not finite is refused as well
		return nil, fmt.Errorf("the weights %v sum to %v, want 1", weights, sum)
	}
	return weights, nil
}

func openWeights(path string) (*safetensors.File, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return safetensors.Open(path)
	}
	c, problems := Verify(path)
	if problems != nil {
		return nil, fmt.Errorf("%v: %w", problems[0], ErrDamaged)
	}
	return c.Weights()
}

// compareInfos returns an error that lists every tensor in which f differs from
// the first file.
func compareInfos(first string, infos []safetensors.Info, path string, f *safetensors.File) error {
	var errs []error
	extra := map[string]bool{}
	for _, n := range f.Names() {
		extra[n] = true
	}
	for _, a := range infos {
		b, ok := f.Info(a.Name)
		delete(extra, a.Name)
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("%s lacks %s, which %s has", path, a.Name, first))
		case !slices.Equal(a.Shape, b.Shape):
			errs = append(errs, fmt.Errorf("%s has shape %v in %s and %v in %s", a.Name, a.Shape, first, b.Shape, path))
		case averageType(a.DType) != averageType(b.DType):
			errs = append(errs, fmt.Errorf("%s is %s in %s and %s in %s", a.Name, a.DType, first, b.DType, path))
		}
	}
	for _, n := range f.Names() {
		if extra[n] {
			errs = append(errs, fmt.Errorf("%s has %s, which %s lacks", filepath.Clean(path), n, first))
		}
	}
	return errors.Join(errs...)
}

// averageType returns the dtype that an average of tensors of dtype d has.
func averageType(d safetensors.DType) safetensors.DType {
	switch d {
	case safetensors.F16, safetensors.BF16:
		return safetensors.F32
	case safetensors.I64:
		return safetensors.I32
	}
	return d
}

func averageTensor(name string, files []*safetensors.File, weights []float64) (*tensor.Tensor, error) {
	first, err := files[0].Read(name)
	if err != nil {
		return nil, err
	}
	if first.DType() == tensor.I32 {
		for _, f := range files[1:] {
			t, err := f.Read(name)
			if err != nil {
				return nil, err
			}
			if !slices.Equal(tensor.Data[int32](first), tensor.Data[int32](t)) {
				return nil, fmt.Errorf("the integers of %s differ and have no average", name)
			}
		}
		return first, nil
	}
	next := tensor.New(tensor.F64, first.Shape()...)
	next.CopyFrom(first)
	sum := tensor.New(tensor.F64, first.Shape()...)
	s, x := tensor.Data[float64](sum), tensor.Data[float64](next)
	for i, f := range files {
		if i > 0 {
			if err := f.ReadInto(name, next); err != nil {
				return nil, err
			}
		}
		for j, v := range x {
			s[j] += float64(weights[i] * v) // the conversion forbids a fused multiply-add: equal bits everywhere
		}
	}
	first.CopyFrom(sum)
	return first, nil
}
