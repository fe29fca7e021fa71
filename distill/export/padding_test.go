package export

import (
	"slices"
	"strings"
	"testing"

	"stillhouse/layers"
)

func TestQueryHeadsFillTheModelsWidth(t *testing.T) {
	for _, c := range []struct{ d, p, h, g, want int }{
		{5120, 128, 32, 8, 40}, // Apriel, Mistral-Nemo: 4 to 5 a group
		{2048, 64, 32, 8, 32},  // Llama-3.2-1B: as it is
		{1024, 128, 16, 8, 0},  // Qwen3-0.6B: already wider
		{100, 64, 1, 1, 0},     // no whole number
		{48, 8, 4, 4, 0},       // six heads over four groups
		{48, 8, 3, 3, 6},
	} {
		got := queriesFor(&layers.Config{HiddenSize: c.d, HeadDim: c.p, Heads: c.h, KVHeads: c.g})
		if got != c.want {
			t.Errorf("%d heads over %d of %d in %d: got %d, want %d", c.h, c.g, c.p, c.d, got, c.want)
		}
	}
}

func TestMambaHeadsFillAWidthInWholeGroups(t *testing.T) {
	for _, c := range []struct {
		heads, groups, inner  int
		wantHeads, wantGroups int
		wantErr               string
	}{
		{4, 4, 64, 8, 8, ""},
		{4, 1, 64, 8, 1, ""},
		{4, 2, 64, 8, 4, ""},
		{4, 4, 32, 4, 4, ""},
		{4, 4, 30, 0, 0, "30 channels are no whole number of heads of 8"},
		{4, 4, 24, 0, 0, "the mixers have 32 channels, more than 24"},
		{4, 2, 40, 0, 0, "5 heads are no whole number of groups of 2"},
	} {
		m, err := mambaFor(layers.Mamba2Config{Heads: c.heads, HeadDim: 8, Groups: c.groups, State: 4, Conv: 4}, c.inner)
		if c.wantErr != "" {
			if err == nil || !strings.Contains(err.Error(), c.wantErr) {
				t.Errorf("%+v: got %v", c, err)
			}
			continue
		}
		if err != nil || m.Heads != c.wantHeads || m.Groups != c.wantGroups {
			t.Errorf("%+v: got %d heads in %d groups, %v", c, m.Heads, m.Groups, err)
		}
	}
}

func TestSectionsAreFilledWithCopiesOrZeros(t *testing.T) {
	parts := [][2]int{{2, 4}, {3, 3}, {1, 2}}
	for copies, want := range map[int][]segment{
		2: {{0, 0, 2}, {2, 0, 2}, {4, 2, 3}, {7, 5, 1}, {8, 5, 1}},
		0: {{0, 0, 2}, {4, 2, 3}, {7, 5, 1}},
	} {
		got, size := sections(parts, copies)
		if !slices.Equal(got, want) || size != 9 {
			t.Errorf("%d copies: got %v of %d, want %v of 9", copies, got, size, want)
		}
	}
}
