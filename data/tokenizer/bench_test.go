package tokenizer

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// benchTexts are prose, code, and a text without spaces. The prose is War and
// Peace where STILLHOUSE_REAL names the folder that holds it.
func benchTexts(b *testing.B) map[string]string {
	b.Helper()
	texts := map[string]string{}
	if dir := os.Getenv("STILLHOUSE_REAL"); dir != "" {
		prose, err := os.ReadFile(filepath.Join(dir, "text/war-and-peace.txt"))
		if err != nil {
			b.Fatal(err)
		}
		texts["prose"] = string(prose)
	}
	var code strings.Builder
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		b.Fatal(err)
	}
	for _, pkg := range []string{"net/http", "go/types"} {
		files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(root)), "src", pkg, "*.go"))
		if err != nil {
			b.Fatal(err)
		}
		for _, f := range files {
			src, err := os.ReadFile(f)
			if err != nil {
				b.Fatal(err)
			}
			code.Write(src)
		}
	}
	texts["code"] = code.String()
	texts["han"] = hanText(1 << 20)
	if path := os.Getenv("STILLHOUSE_BENCH_TEXT"); path != "" {
		other, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		texts["other"] = string(other)
	}
	return texts
}

// hanText is Chinese in its statistics only: characters by Zipf's law, in words
// of one or two, with a mark every dozen characters.
func hanText(size int) string {
	r := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(r, 1.1, 20, 3500)
	words := make([]string, 20000)
	for i := range words {
		for range 1 + r.IntN(2) {
			words[i] += string(rune(0x4E00 + 5*int(zipf.Uint64())))
		}
	}
	zipf = rand.NewZipf(r, 1.05, 5, uint64(len(words)-1))
	var w strings.Builder
	for w.Len() < size {
		w.WriteString(words[zipf.Uint64()])
		if r.IntN(8) == 0 {
			w.WriteString("，")
		} else if r.IntN(40) == 0 {
			w.WriteString("。\n")
		}
	}
	return w.String()
}

// benchTokenizers have the published GPT-2 vocabulary, with each family's
// pre-tokenizer, and the 512 tokens of a small Llama 2, where STILLHOUSE_REAL has
// them; without it, the small ones of the vectors. STILLHOUSE_BENCH_TOKENIZERS
// names a folder of others.
func benchTokenizers(b *testing.B) map[string]*Tokenizer {
	b.Helper()
	dir := os.Getenv("STILLHOUSE_REAL")
	if dir == "" {
		return familyTokenizers(b)
	}
	gpt2, err := os.ReadFile(filepath.Join(dir, "tokenizers/gpt2/tokenizer.json"))
	if err != nil {
		b.Fatal(err)
	}
	old := []byte(`"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true}`)
	if !bytes.Contains(gpt2, old) {
		b.Fatal("the pre-tokenizer of GPT-2's file is spelled otherwise")
	}
	toks := map[string]*Tokenizer{}
	parse := func(name string, file []byte) {
		if toks[name], err = Parse(file); err != nil {
			b.Fatal(name, ": ", err)
		}
	}
	parse("gpt2", gpt2)
	for name, pattern := range map[string]string{
		"trained": Pattern, "llama3": PatternLlama3, "qwen2": PatternQwen2, "o200k": PatternO200K, "tekken": PatternTekken,
		"regex": "(?:" + PatternLlama3 + ")", // the same tokens, but no scanner is found for it
	} {
		parse(name, bytes.Replace(gpt2, old, []byte(`"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":`+
			strconv.Quote(pattern)+`},"behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]}`), 1))
	}
	parse("qwen2", bytes.Replace(toks["qwen2"].JSON(), []byte(`"normalizer":null`), []byte(`"normalizer":{"type":"NFC"}`), 1))
	llama2, err := os.ReadFile(filepath.Join(dir, "stories260k/tokenizer.json"))
	if err != nil {
		b.Fatal(err)
	}
	parse("llama2", llama2)
	if dir := os.Getenv("STILLHOUSE_BENCH_TOKENIZERS"); dir != "" {
		files, err := filepath.Glob(filepath.Join(dir, "*.json"))
		if err != nil {
			b.Fatal(err)
		}
		for _, path := range files {
			file, err := os.ReadFile(path)
			if err != nil {
				b.Fatal(err)
			}
			parse(filepath.Base(path), file)
		}
	}
	return toks
}

// Every iteration begins with a tokenizer just read, which remembers no word: it
// is one pass over a new text.
func BenchmarkEncodeCold(b *testing.B) {
	texts := benchTexts(b)
	toks := benchTokenizers(b)
	for _, name := range slices.Sorted(maps.Keys(toks)) {
		for _, kind := range slices.Sorted(maps.Keys(texts)) {
			file, text := toks[name].source, texts[kind]
			b.Run(name+"/"+kind, func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				ids := make([]int32, 0, len(text))
				for b.Loop() {
					b.StopTimer()
					tok, err := Parse(file)
					if err != nil {
						b.Fatal(err)
					}
					runtime.GC() // what reading left behind is not encoding's to clear
					b.StartTimer()
					ids = tok.EncodeAppend(ids[:0], text)
				}
				b.ReportMetric(float64(len(text))/float64(len(ids)), "B/token")
			})
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	text := hanText(1 << 20)
	for name, tok := range benchTokenizers(b) {
		b.Run(name, func(b *testing.B) {
			ids := tok.Encode(text)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				tok.Decode(ids)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for name, tok := range benchTokenizers(b) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(tok.source)))
			for b.Loop() {
				if _, err := Parse(tok.source); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkTrain(b *testing.B) {
	text := strings.Repeat(sampleText, 50)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := Train(slices.Values([]string{text}), TrainOptions{VocabSize: 400}); err != nil {
			b.Fatal(err)
		}
	}
}

// One word as long as the text: the heap's work.
func BenchmarkEncodeOneWord(b *testing.B) {
	for name, tok := range benchTokenizers(b) {
		b.Run(name, func(b *testing.B) {
			r := rand.New(rand.NewPCG(3, 4))
			word := make([]byte, 1<<20)
			for i := range word {
				word[i] = "etaoinshrdlu"[r.IntN(12)]
			}
			b.SetBytes(int64(len(word)))
			for b.Loop() {
				tok.Encode(string(word))
			}
		})
	}
}
