package layers

import (
	"math"
	"math/rand/v2"
	"slices"

	"stillhouse/layers/tensor"
)

// prefillTokens is how many tokens of each prompt are read at once: enough for
// matrix products at full speed, few enough for the memory of long prompts.
const prefillTokens = 2048

// Continue lets the model continue each prompt greedily by up to limit tokens,
// all side by side, and returns what it added. A token of stop ends a
// continuation and is not part of it. Prompts may differ in length: sequences
// march in lockstep, each reading its own prompt before what it says itself.
func Continue(p *Pool, m *Model, prompts [][]int32, limit int, stop []int32) ([][]int32, error) {
	longest, shortest := 0, math.MaxInt
	for _, q := range prompts {
		longest, shortest = max(longest, len(q)), min(shortest, len(q))
	}
	b := len(prompts)
	d := NewDecoder(p, m, b, longest+limit)
	out := make([][]int32, b)
	done := make([]bool, b)
	var logits *tensor.Tensor
	ids := make([]int32, 0, b*max(1, min(shortest, prefillTokens)))
	// The part that all prompts have is read many tokens at a time.
	for at := 0; at < max(1, shortest); at += prefillTokens {
		ids = ids[:0]
		for _, q := range prompts {
			ids = append(ids, q[at:min(at+prefillTokens, max(1, shortest))]...)
		}
		logits = d.Extend(ids)
	}
	for left := b; left > 0; {
		at := d.Position()
		ids = ids[:0]
		for i, q := range prompts {
			switch {
			case at < len(q):
				ids = append(ids, q[at])
			case done[i]:
				ids = append(ids, q[0])
			default:
				id := argmaxRow(logits, i)
				if slices.Contains(stop, id) || len(out[i]) >= limit {
					done[i] = true
					left--
				} else {
					out[i] = append(out[i], id)
				}
				ids = append(ids, id)
			}
		}
		if left > 0 {
			logits = d.Extend(ids)
		}
	}
	return out, nil
}

// argmaxRow returns the index of the largest entry of row i of [B,V]; the
// first of equals.
func argmaxRow(logits *tensor.Tensor, i int) int32 {
	if logits.DType() == tensor.F64 {
		return argmax(tensor.Data[float64](logits.Rows(i, i+1)))
	}
	return argmax(tensor.Data[float32](logits.Rows(i, i+1)))
}

func argmax[T tensor.Float](x []T) int32 {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return int32(best)
}

// Sample draws from softmax(logits/temperature) of row i of [B,V]; temperature
// 0 takes the likeliest token.
func Sample(logits *tensor.Tensor, i int, temperature float64, r *rand.Rand) int32 {
	if temperature == 0 {
		return argmaxRow(logits, i)
	}
	x := float64s(logits.Rows(i, i+1))
	top, z := slices.Max(x), 0.0
	for j := range x {
		x[j] = math.Exp((x[j] - top) / temperature)
		z += x[j]
	}
	u := r.Float64() * z
	for j, v := range x {
		if u -= v; u < 0 {
			return int32(j)
		}
	}
	return int32(len(x) - 1)
}

// Argmax returns the likeliest next token after each of a batch's positions, [N].
func Argmax(p *Pool, m *Model, b *Batch) ([]int32, error) {
	logits, err := Logits(p, m, b)
	if err != nil {
		return nil, err
	}
	best := make([]int32, logits.Dim(0))
	for i := range best {
		best[i] = argmaxRow(logits, i)
	}
	return best, nil
}
