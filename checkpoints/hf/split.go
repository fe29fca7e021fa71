package hf

import (
	"encoding/json"
	"fmt"
	"strings"

	"stillhouse/checkpoints/safetensors"
)

// defaultShard is the most bytes of weights in one file: what hosts and tools
// are used to.
const defaultShard = 5_000_000_000

// split deals weights out to files of at most most bytes, in the order given. A
// weight that is larger has a file to itself. There is always one file.
func split(weights []safetensors.Named, most int64) [][]safetensors.Named {
	if most <= 0 {
		most = defaultShard
	}
	shards, size := [][]safetensors.Named{nil}, int64(0)
	for _, w := range weights {
		n := w.Bytes()
		if size > 0 && size+n > most {
			shards, size = append(shards, nil), 0
		}
		last := len(shards) - 1
		shards[last], size = append(shards[last], w), size+n
	}
	return shards
}

// shardFile names file i of n as transformers does.
func shardFile(i, n int) string {
	if n == 1 {
		return WeightsFile
	}
	return fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, n)
}

// isWeights reports whether name may be one that Save gives a file of weights or
// their index.
func isWeights(name string) bool {
	return name == WeightsFile || name == IndexFile || strings.HasPrefix(name, "model-") && strings.HasSuffix(name, ".safetensors")
}

// indexOf returns the model.safetensors.index.json of shards. Its total_size is
// that of the weights alone, without the files' headers.
func indexOf(shards [][]safetensors.Named) []byte {
	total, where := int64(0), map[string]string{}
	for i, shard := range shards {
		for _, w := range shard {
			if file, twice := where[w.Name]; twice {
				panic(fmt.Sprintf("hf: Save: weight %q is there twice, the first in %s", w.Name, file))
			}
			where[w.Name] = shardFile(i, len(shards))
			total += w.Bytes()
		}
	}
	b, err := json.MarshalIndent(map[string]any{"metadata": map[string]any{"total_size": total}, "weight_map": where}, "", "  ")
	if err != nil { // strings and a number always encode
		panic(fmt.Sprintf("hf: Save: encode the index: %v", err))
	}
	return append(b, '\n')
}
