package distill

import (
	"slices"
	"testing"
)

func TestAPatternChoosesWeights(t *testing.T) {
	names := []string{
		"model.embed_tokens.weight",
		"model.layers.1.input_layernorm.weight",
		"model.layers.1.mamba.in_proj.weight",
		"model.layers.1.mlp.gate_proj.weight",
		"model.layers.2.self_attn.q_proj.weight",
		"model.layers.2.self_attn.k_proj.weight",
		"model.layers.3.mixer.A_log",
		"model.layers.10.mamba.in_proj.weight",
		"model.layers.11.mamba.norm.weight",
		"model.norm.weight",
		"lm_head.weight",
	}
	fresh, mamba := []int{3, 11}, []int{1, 3, 10, 11}
	for pattern, want := range map[string][]int{
		"all":                           {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
		"new_mixers":                    {6, 8},       // a mixer's norm is the mixer's
		"mixers":                        {2, 6, 7, 8}, // layer 1 is not layer 10
		"*":                             {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
		"model.norm.weight":             {9},
		"model.norm":                    nil, // not a prefix
		"norm.weight":                   nil, // nor a suffix
		"*norm.weight":                  {1, 8, 9},
		"model.layers.1.*":              {1, 2, 3},
		"model.layers.1*":               {1, 2, 3, 7, 8},
		"*.self_attn.*_proj.weight":     {4, 5},
		"*.q_proj.*":                    {4},
		"model.*.mamba.*weight":         {2, 7, 8},
		"*A_log*":                       {6},
		"model.layers.*.layers.*":       nil, // no text is used twice
		"lm_head.weight*lm_head.weight": nil,
	} {
		match := matcher(pattern, fresh, mamba)
		var got []int
		for i, n := range names {
			if match(n) {
				got = append(got, i)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got the weights %v, want %v", pattern, got, want)
		}
	}
}

func TestWithoutLayersNoMixerMatches(t *testing.T) {
	for _, pattern := range []string{"new_mixers", "mixers"} {
		if matcher(pattern, nil, nil)("model.layers.0.mamba.in_proj.weight") {
			t.Errorf("%s matches", pattern)
		}
	}
}

func TestTheFirstGroupThatMatchesSetsTheRate(t *testing.T) {
	ph := Phase{Trainable: []Group{
		{matcher("*.mamba.A_log", nil, nil), 0.1}, {matcher("mixers", nil, []int{1}), 1}, {matcher("*", nil, nil), 0.01},
	}}
	for name, want := range map[string]float64{
		"model.layers.1.mamba.A_log": 0.1, "model.layers.1.mamba.D": 1, "model.layers.1.mlp.up_proj.weight": 0.01,
	} {
		if got := ph.scale(name); got != want {
			t.Errorf("%s: got the factor %v, want %v", name, got, want)
		}
	}
	if got := (Phase{Trainable: ph.Trainable[:2]}).scale("lm_head.weight"); got != 0 {
		t.Errorf("what no group names has the factor %v", got)
	}
}
