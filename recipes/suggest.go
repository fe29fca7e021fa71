package recipes

import (
	"slices"
	"strings"
)

// nearest returns the candidate that s is most likely a slip of the finger of;
// "" if none is near.
func nearest(s string, candidates []string) string {
	plain := func(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }
	best, least := "", max(1, min(4, len(s)*2/5))+1
	for _, c := range candidates {
		d := distance(plain(s), plain(c))
		// A beginning or an end of two words is near, however long the rest.
		if d >= least && len(s) >= 4 && (strings.HasPrefix(c, plain(s)) || strings.HasSuffix(c, "_"+plain(s))) {
			d = least - 1
		}
		if d < least {
			best, least = c, d
		}
	}
	return best
}

// distance is the number of insertions, deletions, changes and swaps of
// neighbours between a and b (Damerau's, restricted).
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		old, prev, cur := rows[0], rows[1], rows[2]
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], old[j-2]+1)
			}
		}
		rows[0], rows[1], rows[2] = prev, cur, old
	}
	return rows[1][len(b)]
}

// elsewhere holds what other tools call our keys, so that a recipe brought from
// one of them is told the name here. A dot means another section.
var elsewhere = map[string]string{
	"lr": "learning_rate", "lr_scheduler": "lr_scheduler_type", "scheduler": "lr_scheduler_type",
	"warmup": "warmup_ratio", "batch_size": "per_device_train_batch_size", "micro_batch_size": "per_device_train_batch_size",
	"grad_accum": "gradient_accumulation_steps", "clip_grad_norm": "max_grad_norm", "gradient_clipping": "max_grad_norm",
	"gradient_checkpointing": "checkpoint_blocks", "activation_checkpointing": "checkpoint_blocks",
	"betas": "adam_beta1", "beta1": "adam_beta1", "beta2": "adam_beta2", "eps": "adam_epsilon",
	"d_state": "state", "d_conv": "conv", "n_groups": "groups", "ngroups": "groups", "headdim": "head_dim",
	"mamba_d_state": "state", "mamba_d_conv": "conv", "mamba_n_groups": "groups", "mamba_n_heads": "heads", "mamba_d_head": "head_dim", "mamba_chunk_size": "chunk",
	"cutoff_len": "sequence_len", "max_seq_len": "sequence_len", "max_length": "sequence_len", "seq_len": "sequence_len", "context_length": "sequence_len",
	"sample_packing": "packing", "packed": "packing", "datasets": "train", "dataset": "train",
	"val_set_size": "validation", "val_size": "validation", "loss": "objective", "losses": "objective",
	"target_tokens": "max_tokens", "train_iters": "max_steps", "steps": "max_steps", "tokens": "max_tokens",
	"save_steps": "every_steps", "save_total_limit": "keep_last", "report_to": "tracking",
	"model": "path", "teacher_model": "teacher", "base_model": "teacher", "samples": "sequences",
	"frozen": "trainable", "tau": "temperature", "lm_eval_tasks": "tasks", "sweep": "ablations",
}

// hintForKey says what an unknown key of a section may have meant.
func hintForKey(key, path string, s *section) string {
	if ours := elsewhere[key]; ours != "" && s.byName[ours] != nil {
		return "it is called " + ours + " here"
	}
	names := s.names()
	if n := nearest(key, names); n != "" {
		return "did you mean " + n + "?"
	}
	if places := placesOf(key); len(places) > 0 {
		return "it belongs under " + places[0]
	}
	if ours := elsewhere[key]; ours != "" {
		if places := placesOf(ours); len(places) > 0 {
			return "it is called " + ours + " here and belongs under " + places[0]
		}
	}
	if where := path; where != "" {
		return where + " takes " + strings.Join(names, ", ") + "; notes begin with x-"
	}
	return "a recipe takes " + strings.Join(names, ", ") + "; notes begin with x-"
}

// meant is the key of the section that an unknown one stands for; "" if none.
func meant(key string, s *section) string {
	if ours := elsewhere[key]; ours != "" && s.byName[ours] != nil {
		return ours
	}
	return nearest(key, s.names())
}

func (s *section) names() (names []string) {
	for _, f := range s.fields {
		names = append(names, f.name)
	}
	return names
}

// placesOf lists the sections that have a key, train and then shallow ones
// first.
func placesOf(key string) (places []string) {
	type at struct {
		path string
		s    *section
	}
	queue := []at{{"", root()}}
	for len(queue) > 0 {
		x := queue[0]
		queue = queue[1:]
		if x.s.byName[key] != nil && !slices.Contains(places, x.path) {
			switch x.path {
			case "":
				places = append(places, "the top level")
			case "train":
				places = append([]string{x.path}, places...)
			default:
				places = append(places, x.path)
			}
		}
		for _, f := range x.s.fields {
			if f.table == nil {
				continue
			}
			p := join(x.path, f.name)
			if f.shape == aList {
				p += "[]"
			}
			queue = append(queue, at{p, f.table})
		}
	}
	return places
}
