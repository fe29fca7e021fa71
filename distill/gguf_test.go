package distill

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"stillhouse/checkpoints/gguf"
	"stillhouse/checkpoints/safetensors"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// The goldens' logits are the reference implementation's, so that a file can be
// wrong here only if what writes it for the test and what reads it err alike.
func TestAGGUFOfAGoldenGivesTheGoldensLogits(t *testing.T) {
	for _, name := range []string{"granite4-multipliers", "llama-gqa", "llama-tied-rope3", "qwen2"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join("testdata", "goldens", name)
			l, err := LoadModel(dir)
			if err != nil {
				t.Fatal(err)
			}
			meta, tensors := ggufContent(t, l.Model, gguf.F32)
			path := writeGGUF(t, meta, tensors)
			back, err := OpenModel(path)
			if err != nil {
				t.Fatal(err)
			}
			c, err := ReadConfig(path)
			if got, want := c.Strip(), l.Model.Config.Strip(); err != nil || got != want {
				t.Errorf("got the layers %s, %v, want %s", got, err, want)
			}
			checkGolden(t, back.Model, dir)
		})
	}
}

// The files in testdata/gguf were written by llama.cpp's converter; see the README
// there.
func TestTheStockConvertersGGUFGivesTheGoldensLogits(t *testing.T) {
	for _, name := range []string{"granite4-multipliers", "llama-tied-rope3"} {
		l, err := LoadGGUF(filepath.Join("testdata", "gguf", name+".gguf"))
		if err != nil {
			t.Fatal(err)
		}
		checkGolden(t, l.Model, filepath.Join("testdata", "goldens", name))
	}
}

func checkGolden(t *testing.T, m *layers.Model, dir string) {
	t.Helper()
	want, err := safetensors.Open(filepath.Join(dir, "expected.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	goldenLogits(t, m, want, 1e-4)
}

// Groups, rotary positions and heads that do not add up to the width are in no
// golden.
func TestAHybridComesBackFromAGGUFAsItWas(t *testing.T) {
	m := randomHybrid(t, 32)
	meta, tensors := ggufContent(t, m, gguf.F32)
	back, err := LoadGGUF(writeGGUF(t, meta, tensors))
	if err != nil {
		t.Fatal(err)
	}
	got, want := back.Model.Params(), m.Params()
	for i, p := range want {
		if tensor.Equal(got[i].Value, p.Value) {
			continue
		}
		if !strings.HasSuffix(p.Name, ".A_log") {
			t.Errorf("%s changed", p.Name)
			continue
		}
		for j, a := range tensor.Data[float32](p.Value) { // the file has -exp of it
			if d := math.Abs(float64(tensor.Data[float32](got[i].Value)[j] - a)); d > 1e-6 {
				t.Errorf("%s[%d] is off by %g", p.Name, j, d)
			}
		}
	}
	ids := []int32{1, 5, 66, 3, 3, 20, 41, 7}
	a, err := Logits(nil, &Loaded{Model: m}, ids, false)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Logits(nil, back, ids, false)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range tensor.Data[float32](a[1].Tensor) {
		if d := math.Abs(float64(tensor.Data[float32](b[1].Tensor)[i] - v)); d > 1e-4 {
			t.Fatalf("logit %d is off by %g", i, d)
		}
	}
}

func TestAGGUFOfHalvesIsTheRoundedModel(t *testing.T) {
	m := randomHybrid(t, 32)
	meta, tensors := ggufContent(t, m, gguf.BF16)
	back, err := LoadGGUF(writeGGUF(t, meta, tensors))
	if err != nil {
		t.Fatal(err)
	}
	got, was := tensor.Data[float32](back.Model.Embed.Value), tensor.Data[float32](m.Embed.Value)
	for i, v := range was {
		if d := math.Abs(float64(got[i] - v)); d > math.Abs(float64(v))/256 || math.Float32bits(got[i])&0xffff != 0 {
			t.Fatalf("element %d was %v, is %v", i, v, got[i])
		}
	}
}

func TestWhatAGGUFSaysOfItsTokenizerIsRead(t *testing.T) {
	m, err := LoadModel("embedded:teacher")
	if err != nil {
		t.Fatal(err)
	}
	meta, tensors := ggufContent(t, m.Model, gguf.F32)
	meta = append(meta, gguf.KV{Key: "tokenizer.huggingface.json", Value: string(m.Tokenizer.JSON())}, gguf.KV{Key: "tokenizer.ggml.add_bos_token", Value: true},
		gguf.KV{Key: "tokenizer.chat_template", Value: "{{ messages }}"})
	l, err := LoadGGUF(writeGGUF(t, meta, tensors))
	if err != nil {
		t.Fatal(err)
	}
	if f := l.Folder; f.BOS != 0 || f.EOS != 1 || f.Pad != -1 || !f.AddBOS || f.AddEOS || f.ChatTemplate != "{{ messages }}" {
		t.Errorf("got %+v", f)
	}
	if text := "func main() {\n\treturn 42\n}"; !slices.Equal(l.Tokenizer.Encode(text), m.Tokenizer.Encode(text)) {
		t.Error("the text has other tokens")
	}
}

func TestAGGUFThatDoesNotFitIsRefusedByName(t *testing.T) {
	hybrid, golden := randomHybrid(t, 32), "testdata/goldens/llama-gqa"
	llama, err := LoadModel(golden)
	if err != nil {
		t.Fatal(err)
	}
	set := func(key string, v any) func(*[]gguf.KV, *[]gguf.Named) {
		return func(meta *[]gguf.KV, _ *[]gguf.Named) {
			i := slices.IndexFunc(*meta, func(kv gguf.KV) bool { return kv.Key == key })
			if i >= 0 {
				*meta = slices.Delete(*meta, i, i+1)
			}
			if v != nil {
				*meta = append(*meta, gguf.KV{Key: key, Value: v})
			}
		}
	}
	put := func(name string, x *tensor.Tensor) func(*[]gguf.KV, *[]gguf.Named) {
		return func(_ *[]gguf.KV, tensors *[]gguf.Named) {
			i := slices.IndexFunc(*tensors, func(n gguf.Named) bool { return n.Name == name })
			if i >= 0 {
				*tensors = slices.Delete(*tensors, i, i+1)
			}
			if x != nil {
				*tensors = append(*tensors, gguf.Named{Name: name, Tensor: x})
			}
		}
	}
	for _, c := range []struct {
		name   string
		model  *layers.Model
		change func(*[]gguf.KV, *[]gguf.Named)
		want   string
	}{
		{"another architecture", llama.Model, set("general.architecture", "gemma3"), `general.architecture is "gemma3", can be read are llama and granitehybrid`},
		{"no architecture", llama.Model, set("general.architecture", nil), `general.architecture is ""`},
		{"a part of several", llama.Model, set("split.count", uint16(3)), "split.count is 3"},
		{"a missing size", llama.Model, set("llama.block_count", nil), "llama.block_count is missing"},
		{"a size of another type", llama.Model, set("llama.block_count", int32(3)), "llama.block_count holds a int32, want a uint32"},
		{"too many layers", llama.Model, set("llama.block_count", uint32(1<<30)), "at most 512 layers"},
		{"experts", hybrid, set("granitehybrid.expert_count", uint32(8)), "granitehybrid.expert_count is 8"},
		{"an unknown key", llama.Model, set("llama.attention.sliding_window", uint32(8)), "llama.attention.sliding_window is 8, which is not supported"},
		{"Mamba in a llama", llama.Model, set("llama.attention.head_count_kv", []int32{2, 0, 2, 2}), "attention alone"},
		{"counts of too few layers", hybrid, set("granitehybrid.attention.head_count_kv", []int32{0, 2}), "want 4 counts"},
		{"a negative count", hybrid, set("granitehybrid.attention.head_count_kv", []int32{0, -2, 0, 2}), "want 4 counts"},
		{"layers of different heads", hybrid, set("granitehybrid.attention.head_count_kv", []int32{0, 2, 0, 1}), "layers of different sizes"},
		{"partial rotation", hybrid, set("granitehybrid.rope.dimension_count", uint32(6)), "6 of 12"},
		{"values of another width", hybrid, set("granitehybrid.attention.value_length", uint32(6)), "the keys have 12"},
		{"longrope", hybrid, set("granitehybrid.rope.scaling.type", "longrope"), `"longrope", which is not supported`},
		{"another yarn", hybrid, set("granitehybrid.rope.scaling.yarn_beta_fast", float32(16)), "yarn_beta_fast is 16"},
		{"a factor that is none", hybrid, set("granitehybrid.logit_scale", float32(math.Inf(1))), "logit_scale is +Inf"},
		{"a narrow Mamba", hybrid, set("granitehybrid.ssm.inner_size", uint32(32)), "only twice embedding_length 32"},
		{"heads that do not divide", hybrid, set("granitehybrid.ssm.time_step_rank", uint32(7)), "no multiple of ssm.time_step_rank 7"},
		{"groups that do not divide", hybrid, set("granitehybrid.ssm.group_count", uint32(3)), "no multiple of ssm.group_count 3"},
		{"a huge MLP", llama.Model, set("llama.feed_forward_length", uint32(1<<31-1)), "speak of at least"},
		{"another width", llama.Model, set("llama.embedding_length", uint32(64)), "token_embd.weight has rows of 32"},
		{"another vocabulary", llama.Model, set("llama.vocab_size", uint32(66)), "token_embd.weight has 67 rows"},
		{"too few tokens", llama.Model, set("tokenizer.ggml.tokens", []string{"a"}), "1 tokens, token_embd.weight has 67 rows"},
		{"no embedding", llama.Model, put("token_embd.weight", nil), "token_embd.weight"},
		{"a missing weight", llama.Model, put("blk.1.attn_q.weight", nil), "blk.1.attn_q.weight is missing"},
		{"a weight too many", llama.Model, put("blk.1.attn_q_norm.weight", tensor.New(tensor.F32, 8)), "blk.1.attn_q_norm.weight F32[8] belongs to nothing"},
		{"a weight of another shape", hybrid, put("blk.0.ssm_a", tensor.New(tensor.F32, 8)), "blk.0.ssm_a has shape [8], want [8 1]"},
		{"a growing state", hybrid, put("blk.0.ssm_a", tensor.New(tensor.F32, 8, 1)), "blk.0.ssm_a: head 0 has A = 0"},
		{"a tokenizer that is none", llama.Model, set("tokenizer.huggingface.json", "{"), "tokenizer.huggingface.json: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			meta, tensors := ggufContent(t, c.model, gguf.F32)
			c.change(&meta, &tensors)
			path := writeGGUF(t, meta, tensors)
			_, err := LoadGGUF(path)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), path) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
	q8 := writeGGUF(t, nil, nil)
	if err := os.WriteFile(q8, []byte("GGUF"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadModel(q8); err == nil || !strings.Contains(err.Error(), "not a valid GGUF file") {
		t.Errorf("half a file: got %v", err)
	}
}

// FuzzGGUFModel reads models from any bytes: an error or a model, whose memory
// the file pays for.
func FuzzGGUFModel(f *testing.F) {
	meta, tensors := ggufContent(f, randomHybrid(f, 4), gguf.BF16)
	var b bytes.Buffer
	if err := gguf.Write(&b, meta, tensors); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := gguf.Parse("fuzz", b)
		if err != nil {
			return
		}
		l, err := loadGGUF(g)
		if err == nil && l.Model.Size() > 8*len(b) {
			t.Fatalf("%d weights from %d bytes", l.Model.Size(), len(b))
		}
	})
}
