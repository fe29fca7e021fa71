package recipes

import (
	"encoding/json"
	"fmt"
)

// Ablations runs the recipe in several arms and compares them, seed by seed.
type Ablations struct {
	// Seeds that every arm is run with.
	Seeds []uint64 `yaml:"seeds" mapstructure:"seeds" json:"seeds" default:"[0, 1, 2]"`
	// Arms: what each changes in the recipe.
	Arms []Arm `yaml:"arms" mapstructure:"arms" json:"arms" default:"[]"`
	// Refuses arms that train on different numbers of tokens.
	EqualTokens bool `yaml:"equal_tokens" mapstructure:"equal_tokens" json:"equal_tokens" default:"true"`
	// How arms are compared.
	Compare Compare `yaml:"compare" mapstructure:"compare" json:"compare"`
}

// Arm is one variant of the recipe.
type Arm struct {
	// Name of the arm.
	Name string `yaml:"name" mapstructure:"name" json:"name" required:"true"`
	// Changes to the recipe.
	Set []Setting `yaml:"set" mapstructure:"set" json:"set" default:"[]"`
	// Another arm whose final Mamba layers this arm replaces, whatever its own scores would say; it runs after that arm, seed by seed.
	LayersOf string `yaml:"layers_of,omitempty" mapstructure:"layers_of,omitempty" json:"layers_of,omitempty"`
}

// Setting is one change. It is a pair and not a mapping so that keys may hold
// dots.
type Setting struct {
	// Key of the recipe, e.g. student.mixer.init or phases.0.max_tokens.
	Key string `yaml:"key" mapstructure:"key" json:"key" required:"true"`
	// Value, as it would stand in the recipe.
	Value any `yaml:"value" mapstructure:"value" json:"value" required:"true"`
}

// Compare says how arms are compared: paired by seed.
type Compare struct {
	// What is compared, after the last step of the run; the names are those of gates.
	Metric string `yaml:"metric" mapstructure:"metric" json:"metric" default:"val_kl"`
	// The arm that the others are compared with; the first if not given.
	Baseline string `yaml:"baseline" mapstructure:"baseline" json:"baseline"`
	// Correction for the number of comparisons.
	Correction string `yaml:"correction" mapstructure:"correction" json:"correction" default:"holm" enum:"holm|none"`
	// Level of significance.
	Alpha float64 `yaml:"alpha" mapstructure:"alpha" json:"alpha" default:"0.05" above:"0" below:"1"`
}

// Cell is one run of an ablation.
type Cell struct {
	Arm      string   `json:"arm"`
	Seed     uint64   `json:"seed"`
	LayersOf string   `json:"layers_of,omitempty"`
	Set      []string `json:"set"` // overrides for [Load], to come after the user's own
}

// Cells returns the runs of the ablation: every arm with every seed, seeds
// innermost, arms whose layers others take before those.
func (r *Recipe) Cells() []Cell {
	if r.Ablations == nil {
		return nil
	}
	var cells []Cell
	for _, later := range []bool{false, true} {
		for _, a := range r.Ablations.Arms {
			if (a.LayersOf != "") != later {
				continue
			}
			for _, s := range r.Ablations.Seeds {
				c := Cell{Arm: a.Name, Seed: s, LayersOf: a.LayersOf, Set: a.overrides()}
				c.Set = append(c.Set, fmt.Sprintf("seed=%d", s))
				cells = append(cells, c)
			}
		}
	}
	return cells
}

// overrides returns the arm's changes as --set takes them, and the ablations
// taken out: a cell has none of its own.
func (a Arm) overrides() []string {
	out := []string{"ablations=null"}
	for _, s := range a.Set {
		v, err := json.Marshal(s.Value) // JSON is YAML
		if err != nil {
			v = []byte(fmt.Sprint(s.Value))
		}
		out = append(out, s.Key+"="+string(v))
	}
	return out
}
