package hf

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
)

// RopeScaling bends the rotary frequencies for contexts longer than those of the
// training; see layers.RopeScaling for the equations. Every value that its Type
// uses is resolved, the rest is zero.
type RopeScaling struct {
	Type              string // linear, dynamic, llama3, yarn or longrope
	Factor            float64
	OriginalPositions int
	LowFactor         float64 // llama3
	HighFactor        float64
	BetaFast          float64 // yarn
	BetaSlow          float64
	Truncate          bool
	AttentionFactor   float64   // yarn, longrope
	ShortFactors      []float64 // longrope
	LongFactors       []float64
}

// ropeKeys are the keys that a kind of rotary position reads.
var ropeKeys = map[string][]string{
	"default":  {},
	"linear":   {"factor"},
	"dynamic":  {"factor"},
	"llama3":   {"factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"},
	"yarn":     {"factor", "original_max_position_embeddings", "attention_factor", "mscale", "mscale_all_dim", "beta_fast", "beta_slow", "truncate"},
	"longrope": {"factor", "original_max_position_embeddings", "attention_factor", "short_factor", "long_factor"},
}

// rope reads the rotary positions in their old spelling (rope_theta beside
// rope_scaling) and their new one (rope_parameters), and refuses what it does
// not know.
func (c *Config) rope(f *fields) {
	base := f.positive("rope_theta", 10000)
	c.RopeTheta = base
	said := false
	for _, key := range []string{"rope_parameters", "rope_scaling"} {
		r := f.object(key)
		if r == nil || len(r.values) == 0 {
			continue
		}
		theta, scaling := c.ropeObject(f, r, key, base)
		if said && (theta != c.RopeTheta || !reflect.DeepEqual(scaling, c.RopeScaling)) {
			f.unsupported("rope_scaling beside a rope_parameters that says otherwise")
		}
		c.RopeTheta, c.RopeScaling, said = theta, scaling, true
		for _, p := range r.problems {
			f.problems = append(f.problems, fmt.Errorf("%s: %w", key, p))
		}
	}
	if c.HeadDim%2 != 0 {
		f.bad("head_dim", "is %d, rotary positions need an even one", c.HeadDim)
	}
}

// ropeObject reads one spelling's object r; base is the rope_theta beside it.
func (c *Config) ropeObject(f, r *fields, key string, base float64) (theta float64, s *RopeScaling) {
	theta = r.positive("rope_theta", base)
	kind := r.text("rope_type", r.text("type", "default"))
	reads, known := ropeKeys[kind]
	if !known {
		f.unsupported("%s of type %q", key, kind)
		return theta, nil
	}
	if part := r.positive("partial_rotary_factor", 1); part != 1 {
		f.unsupported("%s.partial_rotary_factor %v", key, part)
	}
	for _, k := range slices.Sorted(maps.Keys(r.values)) { // among them one set of parameters a layer type
		if r.raw(k) != nil && !slices.Contains([]string{"rope_theta", "rope_type", "type", "partial_rotary_factor"}, k) && !slices.Contains(reads, k) {
			f.unsupported("%s.%s %s", key, k, clip(r.values[k]))
		}
	}
	if kind != "default" {
		s = c.scaling(f, r, kind, theta)
	}
	return theta, s
}

// scaling reads the object r of a kind other than default.
func (c *Config) scaling(f, r *fields, kind string, theta float64) *RopeScaling {
	s := &RopeScaling{Type: kind}
	if kind == "llama3" || kind == "yarn" || kind == "longrope" {
		// The key beside the object wins over the one in it, as in transformers.
		s.OriginalPositions = f.count("original_max_position_embeddings", r.count("original_max_position_embeddings", c.MaxPositions))
		if s.OriginalPositions < 1 {
			r.bad("original_max_position_embeddings", "is missing, and so is max_position_embeddings")
			return s
		}
	}
	ratio := 0.0 // what a missing factor means
	if kind == "yarn" || kind == "longrope" {
		ratio = float64(c.MaxPositions) / float64(s.OriginalPositions)
	}
	if r.raw("factor") == nil && ratio == 0 {
		r.bad("factor", "is missing")
		return s
	}
	s.Factor = r.positive("factor", ratio)
	switch kind {
	case "dynamic":
		if c.MaxPositions < 1 || c.HeadDim <= 2 {
			r.bad("rope_type", "is dynamic with max_position_embeddings %d and head_dim %d", c.MaxPositions, c.HeadDim)
		}
	case "llama3":
		s.LowFactor, s.HighFactor = r.positive("low_freq_factor", 0), r.positive("high_freq_factor", 0)
		if s.HighFactor <= s.LowFactor {
			r.bad("high_freq_factor", "is %v, want it above low_freq_factor %v", s.HighFactor, s.LowFactor)
		}
	case "yarn":
		s.BetaFast, s.BetaSlow = r.positive("beta_fast", 32), r.positive("beta_slow", 1)
		s.Truncate = r.flag("truncate", true)
		s.AttentionFactor = r.positive("attention_factor", yarnFactor(r, s.Factor))
		if theta <= 1 {
			r.bad("rope_theta", "is %v, yarn needs it above 1", theta)
		}
	case "longrope":
		s.ShortFactors, s.LongFactors = r.factors("short_factor", c.HeadDim/2), r.factors("long_factor", c.HeadDim/2)
		grow := 1.0
		if s.Factor > 1 && s.OriginalPositions > 1 {
			grow = math.Sqrt(1 + math.Log(s.Factor)/math.Log(float64(s.OriginalPositions)))
		}
		s.AttentionFactor = r.positive("attention_factor", grow)
		s.Factor = 0 // has said all that it says
	}
	return s
}

// yarnFactor is YaRN's factor of cos and sin where none is given: 0.1·ln(s) + 1,
// or the quotient of two such with DeepSeek's weights of ln(s).
func yarnFactor(r *fields, s float64) float64 {
	at := func(weight float64) float64 {
		if s <= 1 {
			return 1
		}
		return 0.1*weight*math.Log(s) + 1
	}
	if r.raw("mscale") == nil || r.raw("mscale_all_dim") == nil {
		return at(1)
	}
	var of, all number // 0 counts as not given
	r.decode("mscale", &of, "a number")
	r.decode("mscale_all_dim", &all, "a number")
	if of == 0 || all == 0 {
		return at(1)
	}
	return at(float64(of)) / at(float64(all))
}

// factors reads n numbers above 0.
func (f *fields) factors(key string, n int) []float64 {
	var v []float64
	f.decode(key, &v, "a list of numbers")
	if len(v) != n || slices.ContainsFunc(v, func(x float64) bool { return !(x > 0) || math.IsInf(x, 0) }) {
		f.bad(key, "is %v, want head_dim/2 = %d numbers above 0", v, n)
	}
	return v
}

// encodeRope writes the positions in both spellings.
func (c *Config) encodeRope(o map[string]any) {
	o["rope_theta"], o["rope_scaling"] = c.RopeTheta, nil
	parameters := map[string]any{"rope_type": "default", "rope_theta": c.RopeTheta}
	if s := c.RopeScaling; s != nil {
		values := map[string]any{
			"factor": s.Factor, "low_freq_factor": s.LowFactor, "high_freq_factor": s.HighFactor,
			"original_max_position_embeddings": s.OriginalPositions, "beta_fast": s.BetaFast, "beta_slow": s.BetaSlow,
			"truncate": s.Truncate, "attention_factor": s.AttentionFactor, "short_factor": s.ShortFactors, "long_factor": s.LongFactors,
		}
		old := map[string]any{"rope_type": s.Type}
		for _, k := range ropeKeys[s.Type] {
			v, ok := values[k]
			if !ok || k == "factor" && s.Factor == 0 { // mscale has become the attention factor, longrope's factor too
				continue
			}
			old[k], parameters[k] = v, v
		}
		parameters["rope_type"] = s.Type
		o["rope_scaling"] = old
	}
	o["rope_parameters"] = parameters
}
