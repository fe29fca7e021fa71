package distill

import (
	"fmt"
	"testing"
	"time"

	"stillhouse/distill/importance"
	"stillhouse/layers"
	"stillhouse/recipes"
)

func TestExplore(t *testing.T) {
	r, _ := recipes.Load("quickstart", []string{"data.sequence_len=64", `data.train=["task:recall", "task:arithmetic"]`,"train.per_device_train_batch_size=8"}, nil)
	teacher, _ := LoadModel("embedded:teacher")
	fmt.Println(describe(teacher))
	pool := layers.NewPool(0)
	s := &scorer{pool: pool, recipe: r, teacher: teacher.Model, stream: newStream(r, teacher.Tokenizer)}
	for _, kind := range []layers.Kind{layers.KindMamba2, layers.KindMamba1} {
		for _, init := range []Init{InitMIL, InitMILReference, InitRandom} {
			for _, n := range []int{1,20, 60} {
				began := time.Now()
				m := recipes.Importance{Method: "mmr", Steps: n, LearningRate: 1e-3}
				p := importance.Probe{Pool: pool, Teacher: teacher.Model, Student: teacher.Model.Share(), Layers: []int{0, 1, 2, 4}}
				sc, err := importance.MMR(p, func(x *layers.Model, l int) error {
					_, err := Swap(pool, x, l, MixerSpec{Kind: kind, Init: init}, 1, nil)
					return err
				}, s.gather(m, p.Student), n, false)
				fmt.Println(kind, init, n, sc.Layers, err, time.Since(began))
			}
		}
	}
}
