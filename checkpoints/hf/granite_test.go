package hf

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAHybridInGranite4sStyleIsRead: no positions, multipliers far from one, one
// group, tied, all spelled as those checkpoints spell it; the sizes are smaller.
func TestAHybridInGranite4sStyleIsRead(t *testing.T) {
	words := strings.Repeat(`"mamba",`, 5) + `"attention","mamba"`
	b := fmt.Sprintf(`{"architectures":["GraniteMoeHybridForCausalLM"],"attention_bias":false,"attention_dropout":0.0,"attention_multiplier":0.015625,
		"bos_token_id":100257,"embedding_multiplier":12,"eos_token_id":100257,"hidden_act":"silu","hidden_size":64,"init_method":"mup",
		"initializer_range":0.1,"intermediate_size":256,"layer_types":[%s],"logits_scaling":8,"mamba_chunk_size":256,"mamba_conv_bias":true,
		"mamba_d_conv":4,"mamba_d_head":16,"mamba_d_state":32,"mamba_expand":2,"mamba_n_groups":1,"mamba_n_heads":8,"mamba_proj_bias":false,
		"max_position_embeddings":131072,"model_type":"granitemoehybrid","normalization_function":"rmsnorm","num_attention_heads":4,
		"num_experts_per_tok":0,"num_hidden_layers":7,"num_key_value_heads":2,"num_local_experts":0,"output_router_logits":false,
		"position_embedding_type":"nope","residual_multiplier":0.22,"rms_norm_eps":1e-05,"rope_scaling":null,"rope_theta":10000,
		"router_aux_loss_coef":0.01,"shared_intermediate_size":256,"tie_word_embeddings":true,"torch_dtype":"bfloat16","use_cache":true,
		"vocab_size":100352}`, words)
	c, err := ParseConfig([]byte(b))
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{ModelType: "granitemoehybrid", VocabSize: 100352, HiddenSize: 64, Intermediate: 256,
		Mixers: []Mixer{Mamba2, Mamba2, Mamba2, Mamba2, Mamba2, Attention, Mamba2}, NormEps: 1e-5, Tied: true, MaxPositions: 131072,
		BOS: 100257, EOS: []int{100257}, Heads: 4, KVHeads: 2, HeadDim: 16, AttentionMultiplier: 0.015625,
		EmbeddingMultiplier: 12, ResidualMultiplier: 0.22, LogitsScaling: 8,
		Mamba: &MambaConfig{Heads: 8, HeadDim: 16, Groups: 1, State: 32, Conv: 4, Chunk: 256}}
	if d := cmp.Diff(want, c); d != "" {
		t.Error(d)
	}
	e, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ParseConfig(e); err != nil || !cmp.Equal(c, again) {
		t.Errorf("written and read again: %+v %v", again, err)
	}
}
