package distill

import (
	"slices"
	"testing"

	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// TestTeacherAndStudentShareWhatDoesNotTrain by pointer: a 15B teacher and its
// student must not be in memory twice for the sake of a few mixers.
func TestTeacherAndStudentShareWhatDoesNotTrain(t *testing.T) {
	for _, tied := range []bool{true, false} {
		for _, pattern := range []string{"new_mixers", "all", "*.mlp.*", "*.q_proj.weight"} {
			teacher := small(t, "aaa", tensor.F32, func(c *layers.Config) { c.Tied = tied })
			before := snapshot(teacher)
			student := hybrid(t, teacher, milMamba2, 1)
			ph := smallPhase(pattern, []int{1})
			tr := trainer(t, teacher, student, ph, randomRows(nil))
			of := map[string]*layers.Param{}
			for _, p := range teacher.Params() {
				of[p.Name] = p
			}
			shared, own := 0, 0
			for _, p := range student.Params() {
				q := of[p.Name] // nil for the new mixer's
				switch {
				case q == nil:
					if sharedWith(teacher, p) {
						t.Errorf("%s: the new %s lies in the teacher's memory", pattern, p.Name)
					}
				case ph.trains(p):
					own++
					if p == q || tensor.SharesMemory(p.Value, q.Value) {
						t.Errorf("%s: %s trains in the teacher's memory", pattern, p.Name)
					}
				default:
					shared++
					if p != q {
						t.Errorf("%s: %s does not train and is another parameter than the teacher's", pattern, p.Name)
					}
				}
			}
			if tied != (student.Head == student.Embed) {
				t.Errorf("%s: embedding and head are tied %v, want %v", pattern, student.Head == student.Embed, tied)
			}
			if pattern == "all" && shared > 0 || pattern == "new_mixers" && own > 0 {
				t.Errorf("%s: %d shared, %d its own", pattern, shared, own)
			}
			for range 2 {
				if _, err := tr.Train(); err != nil {
					t.Fatal(err)
				}
			}
			for name, w := range snapshot(teacher) {
				if !slices.Equal(w, before[name]) {
					t.Errorf("%s: training moved the teacher's %s", pattern, name)
				}
			}
			for name, w := range snapshot(student) {
				if old, ok := before[name]; ok && ph.scale(name) > 0 == slices.Equal(w, old) {
					t.Errorf("%s: %s moved: %v", pattern, name, !slices.Equal(w, old))
				}
			}
		}
	}
}

// TestASecondPhaseCopiesOnlyWhatIsStillShared: what trained before goes on in its
// own memory, and the models of earlier stages keep theirs.
func TestASecondPhaseCopiesOnlyWhatIsStillShared(t *testing.T) {
	teacher := small(t, "aa", tensor.F32, nil)
	student := hybrid(t, teacher, milMamba2, 0)
	trainer(t, teacher, student, smallPhase("new_mixers", []int{0}), randomRows(nil))
	mixer, embed := student.Blocks[0].Mixer.Params(), student.Embed
	trainer(t, teacher, student, smallPhase("all", []int{0}), randomRows(nil))
	if !slices.Equal(mixer, student.Blocks[0].Mixer.Params()) {
		t.Error("the mixer, which was the student's own, was copied")
	}
	if embed != teacher.Embed || student.Embed == embed {
		t.Error("the embedding was not shared in the first phase, or is still in the second")
	}
}
