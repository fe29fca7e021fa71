package hf

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ropes are rotary positions as config.json spells them (llama-gqa's
// max_position_embeddings is 512, its head_dim 8), and what they mean.
var ropes = []struct {
	object string
	want   *RopeScaling
}{
	{`{"rope_type":"linear","factor":4}`, &RopeScaling{Type: "linear", Factor: 4}},
	{`{"type":"dynamic","factor":2.5}`, &RopeScaling{Type: "dynamic", Factor: 2.5}},
	{`{"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4,"original_max_position_embeddings":64}`,
		&RopeScaling{Type: "llama3", Factor: 8, LowFactor: 1, HighFactor: 4, OriginalPositions: 64}},
	{`{"rope_type":"yarn","factor":4,"original_max_position_embeddings":128}`,
		&RopeScaling{Type: "yarn", Factor: 4, OriginalPositions: 128, BetaFast: 32, BetaSlow: 1, Truncate: true, AttentionFactor: 0.1*math.Log(4) + 1}},
	{`{"rope_type":"yarn","factor":null,"original_max_position_embeddings":64,"beta_fast":16,"beta_slow":2,"truncate":false,"attention_factor":1.5}`,
		&RopeScaling{Type: "yarn", Factor: 8, OriginalPositions: 64, BetaFast: 16, BetaSlow: 2, AttentionFactor: 1.5}},
	{`{"rope_type":"yarn","factor":1}`, // as many positions as trained on
		&RopeScaling{Type: "yarn", Factor: 1, OriginalPositions: 512, BetaFast: 32, BetaSlow: 1, Truncate: true, AttentionFactor: 1}},
	{`{"rope_type":"yarn","factor":40,"mscale":0.707,"mscale_all_dim":1}`,
		&RopeScaling{Type: "yarn", Factor: 40, OriginalPositions: 512, BetaFast: 32, BetaSlow: 1, Truncate: true,
			AttentionFactor: (0.1*0.707*math.Log(40) + 1) / (0.1*math.Log(40) + 1)}},
	{`{"rope_type":"yarn","factor":40,"mscale":1.0,"mscale_all_dim":0}`,
		&RopeScaling{Type: "yarn", Factor: 40, OriginalPositions: 512, BetaFast: 32, BetaSlow: 1, Truncate: true, AttentionFactor: 0.1*math.Log(40) + 1}},
	{`{"rope_type":"longrope","original_max_position_embeddings":64,"short_factor":[1,1,1,2],"long_factor":[1,2,3,4]}`,
		&RopeScaling{Type: "longrope", OriginalPositions: 64, ShortFactors: []float64{1, 1, 1, 2}, LongFactors: []float64{1, 2, 3, 4},
			AttentionFactor: math.Sqrt(1 + math.Log(8)/math.Log(64))}},
	{`{"rope_type":"default"}`, nil},
	{`{}`, nil},
}

func TestEveryKindOfScaledPositionIsReadWithItsDefaultsAndWrittenBack(t *testing.T) {
	close := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) <= 1e-15*math.Abs(a) })
	for _, r := range ropes {
		for _, key := range []string{"rope_parameters", "rope_scaling"} {
			change := map[string]string{"rope_parameters": "", "rope_theta": "50000"}
			change[key] = r.object
			c, err := ParseConfig(changed(t, "llama-gqa", change))
			if err != nil {
				t.Errorf("%s: %v", r.object, err)
				continue
			}
			if d := cmp.Diff(r.want, c.RopeScaling, close); d != "" || c.RopeTheta != 50000 {
				t.Errorf("%s: theta %v %s", r.object, c.RopeTheta, d)
			}
			b, err := c.Encode()
			if err != nil {
				t.Errorf("%s: %v", r.object, err)
				continue
			}
			again, err := ParseConfig(b)
			if d := cmp.Diff(c, again); err != nil || d != "" {
				t.Errorf("%s written and read again: %v %s", r.object, err, d)
			}
		}
	}
}

func TestTheTrainedContextBesideTheObjectWins(t *testing.T) {
	c, err := ParseConfig(changed(t, "llama-gqa", map[string]string{
		"original_max_position_embeddings": "256", "rope_parameters": `{"rope_type":"yarn","factor":2,"original_max_position_embeddings":64}`,
	}))
	if err != nil || c.RopeScaling.OriginalPositions != 256 {
		t.Errorf("got %+v %v", c.RopeScaling, err)
	}
}
