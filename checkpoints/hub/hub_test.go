package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tree returns the contents of a folder by name, through links.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		rel, relErr := filepath.Rel(dir, p)
		files[filepath.ToSlash(rel)] = string(b)
		return errors.Join(err, relErr)
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// checkCache fails if any blob with a final name is not what its name says.
func checkCache(t *testing.T, c *Client) {
	t.Helper()
	blobs, err := filepath.Glob(filepath.Join(c.Cache, "*", "blobs", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range blobs {
		if strings.HasSuffix(p, incomplete) {
			continue
		}
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if name := filepath.Base(p); name != sha(string(b)) && name != gitHash(string(b)) {
			t.Errorf("%s holds something else: %d bytes", name, len(b))
		}
	}
}

func TestAModelComesIntoTheCacheAsOtherToolsKeepIt(t *testing.T) {
	h := newHub(t, modelRepo())
	c := h.client(t)
	var last, end Progress
	c.Progress = func(p Progress) {
		if p.Sum > p.Total || p.Sum < end.Sum {
			t.Errorf("%+v after %+v", p, end)
		}
		if end = p; p.File == "model.safetensors" {
			last = p
		}
	}
	dir, err := c.Model(t.Context(), parse(t, "hf://org/name"))
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(c.Cache, "models--org--name", "snapshots", commit); dir != want {
		t.Errorf("the folder is %s, want %s", dir, want)
	}
	want := map[string]string{}
	for _, name := range []string{"config.json", "tokenizer.json", "model.safetensors"} {
		want[name] = h.files[name]
	}
	if diff := cmp.Diff(want, tree(t, dir)); diff != "" {
		t.Error(diff)
	}
	target, err := os.Readlink(filepath.Join(dir, "model.safetensors"))
	if err != nil || target != filepath.FromSlash("../../blobs/"+sha(h.files["model.safetensors"])) {
		t.Errorf("the weights link to %s, %v", target, err)
	}
	if ref, err := os.ReadFile(filepath.Join(c.Cache, "models--org--name", "refs", "main")); err != nil || string(ref) != commit {
		t.Errorf("refs/main is %q, %v", ref, err)
	}
	if n := int64(len(h.files["model.safetensors"])); last.Done != n || last.Size != n {
		t.Errorf("the last progress is %+v", last)
	}
	if end.Sum != end.Total || end.Total != last.Size+int64(len(h.files["config.json"])+len(h.files["tokenizer.json"])) {
		t.Errorf("at the end the progress is %+v", end)
	}
	checkCache(t, c)

	// A second time only the list is asked for, and without a network nothing.
	c.Progress = nil
	h.requests = nil
	if again, err := c.Model(t.Context(), parse(t, "hf://org/name@main")); err != nil || again != dir || len(h.requests) != 1 {
		t.Errorf("again: %s, %v, requests %v", again, err, h.requests)
	}
	h.Close()
	c.Offline = true
	for _, ref := range []string{"hf://org/name", "hf://org/name@" + commit} {
		if again, err := c.Model(t.Context(), parse(t, ref)); err != nil || again != dir {
			t.Errorf("offline, %s: %s, %v", ref, again, err)
		}
	}
	if _, err := c.Model(t.Context(), parse(t, "hf://org/other")); !errors.Is(err, ErrOffline) {
		t.Errorf("offline, another model: %v", err)
	}
	c.Offline, c.Tries = false, 1
	if _, err := c.Model(t.Context(), parse(t, "hf://org/name")); err == nil || !strings.Contains(err.Error(), "HF_HUB_OFFLINE=1") {
		t.Errorf("no network: %v", err)
	}
}

func TestOfSeveralCopiesOfTheWeightsOneIsFetched(t *testing.T) {
	for _, c := range []struct{ files, want []string }{
		{[]string{"model.fp16.safetensors", "model.safetensors", "model-int8.safetensors"}, []string{"model.safetensors"}},
		{[]string{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.fp16-00001-of-00002.safetensors", "model.safetensors.index.json"},
			[]string{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"}},
		{[]string{"model-00001-of-00001.safetensors", "model.safetensors", "model.safetensors.index.json"}, []string{"model.safetensors"}},
	} {
		all := []file{{name: "config.json"}}
		for _, name := range c.files {
			all = append(all, file{name: name})
		}
		chosen, err := modelFiles(all)
		var got []string
		for _, f := range chosen[min(1, len(chosen)):] {
			got = append(got, f.name)
		}
		if err != nil || !cmp.Equal(got, c.want) {
			t.Errorf("of %v: got %v, %v", c.files, got, err)
		}
	}
	if _, err := modelFiles([]file{{name: "config.json"}, {name: "model.fp16.safetensors"}, {name: "model.safetensors.index.json"}}); !errors.Is(err, ErrNotFound) {
		t.Errorf("an index without its files: %v", err)
	}
}

func TestAModelsDescriptionComesWithoutItsWeights(t *testing.T) {
	h := newHub(t, modelRepo())
	dir, err := h.client(t).Config(t.Context(), parse(t, "hf://org/name"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"config.json": h.files["config.json"], "tokenizer.json": "{}"}, tree(t, dir)); diff != "" {
		t.Error(diff)
	}
}

func TestDataSetsGiveAFileOrAFolderOfRecords(t *testing.T) {
	h := newHub(t, map[string]string{"data/train/a.jsonl": "a", "data/train/b.parquet": "b", "data/test.jsonl.zst": "c", "README.md": "r"})
	c := h.client(t)
	one, err := c.Data(t.Context(), parse(t, "hf://datasets/org/set@v1.0/data/test.jsonl.zst"))
	if b, readErr := os.ReadFile(one); err != nil || readErr != nil || string(b) != "c" {
		t.Fatalf("%s, %v, %v", one, err, readErr)
	}
	link, err := os.Readlink(one)
	if err != nil || link != filepath.FromSlash("../../../blobs/"+gitHash("c")) {
		t.Errorf("it links to %s, %v", link, err)
	}
	some, err := c.Data(t.Context(), parse(t, "hf://datasets/org/set/data/train"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"a.jsonl": "a", "b.parquet": "b"}, tree(t, some)); diff != "" {
		t.Error(diff)
	}
	if _, err = c.Data(t.Context(), parse(t, "hf://datasets/org/set/data/nothing")); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "README.md") {
		t.Errorf("a path that is not there: %v", err)
	}
	if got := h.requests[0]; got != "/api/datasets/org/set/revision/v1.0" {
		t.Errorf("the list was asked for at %s", got)
	}
	checkCache(t, c)
}

func TestABrokenConnectionIsContinuedWhereItBroke(t *testing.T) {
	h := newHub(t, modelRepo())
	body := h.files["model.safetensors"]
	h.misbehave = func(w http.ResponseWriter, q *http.Request, name string, n int) bool {
		if name != "model.safetensors" || n >= 20 {
			return false
		}
		from := 0
		if r := q.Header.Get("Range"); r != "" {
			fmt.Sscanf(r, "bytes=%d-", &from)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(body)-1, len(body)))
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)-from))
		if from > 0 {
			w.WriteHeader(http.StatusPartialContent)
		}
		_, _ = w.Write([]byte(body[from:min(len(body), from+100_000)]))
		panic(http.ErrAbortHandler) // cuts the connection
	}
	c := h.client(t)
	dir, err := c.Model(t.Context(), parse(t, "hf://org/name"))
	if err != nil {
		t.Fatal(err)
	}
	if tree(t, dir)["model.safetensors"] != body {
		t.Error("the file is not what was served")
	}
	resumed := 0
	for _, q := range h.requests {
		if strings.Contains(q, "bytes=") {
			resumed++
		}
	}
	if resumed != 20 {
		t.Errorf("%d requests for the rest of the file, want 20: %v", resumed, h.requests)
	}
	checkCache(t, c)
}

func TestTheBeginningThatAnotherProcessLeftIsUsed(t *testing.T) {
	h := newHub(t, modelRepo())
	body := h.files["model.safetensors"]
	for _, left := range []string{body[:1_234_567], body, "wrong" + body[5:2000], body + "more"} {
		c := h.client(t)
		blobs := filepath.Join(c.Cache, "models--org--name", "blobs")
		if err := os.MkdirAll(blobs, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(blobs, sha(body)+incomplete), []byte(left), 0o644); err != nil {
			t.Fatal(err)
		}
		h.requests = nil
		dir, err := c.Model(t.Context(), parse(t, "hf://org/name"))
		if err != nil {
			t.Fatal(err)
		}
		if tree(t, dir)["model.safetensors"] != body {
			t.Errorf("after %d bytes: the file is not what was served", len(left))
		}
		if asked := strings.Join(h.requests, "\n"); len(left) == 1_234_567 && !strings.Contains(asked, "bytes=1234567-") {
			t.Errorf("the beginning was not used: %s", asked)
		}
		checkCache(t, c)
	}
}

func TestWhateverTheServerDoesNoWrongFileGetsAFinalName(t *testing.T) {
	status := func(code int) func(w http.ResponseWriter, q *http.Request, name string, n int) bool {
		return func(w http.ResponseWriter, _ *http.Request, _ string, _ int) bool {
			w.WriteHeader(code)
			return true
		}
	}
	for _, c := range []struct {
		name      string
		misbehave func(w http.ResponseWriter, q *http.Request, name string, n int) bool
		is        error
		want      string
		most      int // requests for a file, at most
	}{
		{"401", status(401), ErrAuth, "HF_TOKEN", 1},
		{"403", status(403), ErrAuth, "accept its terms", 1},
		{"404", status(404), ErrNotFound, "check the name", 1},
		{"429 for ever", status(429), nil, "429", 3},
		{"500 for ever", status(500), nil, "500", 3},
		{"416 without a range", status(416), nil, "416", 3},
		{"an error page with status 200", func(w http.ResponseWriter, _ *http.Request, _ string, _ int) bool {
			fmt.Fprint(w, "<html>try later</html>")
			return true
		}, nil, "", 20},
		{"other bytes of the same size", func(w http.ResponseWriter, q *http.Request, name string, _ int) bool {
			if name != "config.json" {
				return false
			}
			fmt.Fprint(w, strings.Repeat("x", len(modelRepo()[name])))
			return true
		}, ErrDamaged, "another HF_ENDPOINT", 2},
		{"more bytes than listed", func(w http.ResponseWriter, q *http.Request, name string, _ int) bool {
			fmt.Fprint(w, modelRepo()[name]+"more")
			return true
		}, nil, "", 20},
		{"a part of a file of another size", func(w http.ResponseWriter, q *http.Request, name string, _ int) bool {
			w.Header().Set("Content-Range", "bytes 0-9/10")
			w.WriteHeader(206)
			fmt.Fprint(w, "0123456789")
			return true
		}, ErrDamaged, "has 10 bytes", 20},
		{"a part from elsewhere", func(w http.ResponseWriter, q *http.Request, name string, _ int) bool {
			n := len(modelRepo()[name])
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 1-%d/%d", n-1, n))
			w.WriteHeader(206)
			fmt.Fprint(w, modelRepo()[name][1:])
			return true
		}, nil, "got them from 1 on", 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHub(t, modelRepo())
			h.misbehave = c.misbehave
			client := h.client(t)
			client.Tries, client.Workers = 3, 1
			_, err := client.Model(t.Context(), parse(t, "hf://org/name"))
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %v and %q", err, c.is, c.want)
			}
			checkCache(t, client)
			for path, n := range h.counts {
				if strings.Contains(path, "/resolve/") && n > c.most {
					t.Errorf("%s was asked for %d times, want at most %d", path, n, c.most)
				}
			}
			if refs, _ := filepath.Glob(filepath.Join(client.Cache, "*", "refs", "*")); len(refs) > 0 {
				t.Errorf("a failed fetch moved %v", refs)
			}
			// Once the server behaves, the same cache gives the right files.
			h.misbehave = nil
			dir, err := client.Model(t.Context(), parse(t, "hf://org/name"))
			if err != nil || tree(t, dir)["model.safetensors"] != h.files["model.safetensors"] {
				t.Errorf("afterwards: %v", err)
			}
			checkCache(t, client)
		})
	}
}

func TestFailuresThatPassAreTriedAgainLaterEachTime(t *testing.T) {
	h := newHub(t, modelRepo())
	h.api = func(w http.ResponseWriter, _ *http.Request, n int) bool {
		switch n {
		case 0:
			w.WriteHeader(503)
		case 1:
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(429)
		case 2:
			w.WriteHeader(502)
		default:
			return false
		}
		return true
	}
	c := h.client(t)
	var waits []time.Duration
	c.wait = func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
	if _, err := c.Model(t.Context(), parse(t, "hf://org/name")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]time.Duration{time.Second, 7 * time.Second, 4 * time.Second}, waits); diff != "" {
		t.Error(diff)
	}
}

func TestAConnectionWithoutBytesIsGivenUp(t *testing.T) {
	h := newHub(t, modelRepo())
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	h.misbehave = func(w http.ResponseWriter, q *http.Request, name string, n int) bool {
		if name != "model.safetensors" || n > 0 {
			return false
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(h.files[name])))
		_, _ = w.Write([]byte(h.files[name][:1000]))
		w.(http.Flusher).Flush()
		select {
		case <-release:
		case <-q.Context().Done():
		}
		return true
	}
	c := h.client(t)
	c.Stall = 200 * time.Millisecond
	dir, err := c.Model(t.Context(), parse(t, "hf://org/name"))
	if err != nil || tree(t, dir)["model.safetensors"] != h.files["model.safetensors"] {
		t.Error(err)
	}
}

func TestAnInterruptedFetchStopsAndKeepsItsBytes(t *testing.T) {
	h := newHub(t, modelRepo())
	ctx, cancel := context.WithCancel(t.Context())
	h.misbehave = func(w http.ResponseWriter, q *http.Request, name string, n int) bool {
		if name == "model.safetensors" && n == 0 {
			w.Header().Set("Content-Length", strconv.Itoa(len(h.files[name])))
			_, _ = w.Write([]byte(h.files[name][:500_000]))
			w.(http.Flusher).Flush()
			time.Sleep(50 * time.Millisecond)
			cancel()
			<-q.Context().Done()
			return true
		}
		return false
	}
	c := h.client(t)
	if _, err := c.Model(ctx, parse(t, "hf://org/name")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if n := sizeOf(filepath.Join(c.Cache, "models--org--name", "blobs", sha(h.files["model.safetensors"])+incomplete)); n == 0 {
		t.Error("nothing was kept")
	}
	checkCache(t, c)
}

func TestTheTokenGoesToTheEndpointAndNowhereElse(t *testing.T) {
	const secret = "hf_secret"
	var elsewhere []string
	files := modelRepo()
	cdn := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		elsewhere = append(elsewhere, q.Header.Get("Authorization"))
		http.ServeContent(w, q, "", time.Time{}, strings.NewReader(files["model.safetensors"]))
	}))
	defer cdn.Close()
	h := newHub(t, files)
	var seen []string
	h.misbehave = func(w http.ResponseWriter, q *http.Request, name string, _ int) bool {
		h.mu.Lock()
		seen = append(seen, q.Header.Get("Authorization"))
		h.mu.Unlock()
		if name == "model.safetensors" {
			// 127.0.0.1 led to localhost is another host to net/http.
			http.Redirect(w, q, strings.Replace(cdn.URL, "127.0.0.1", "localhost", 1)+"/x", http.StatusFound)
			return true
		}
		return false
	}
	c := h.client(t)
	c.Token = secret
	if _, err := c.Model(t.Context(), parse(t, "hf://org/name")); err != nil {
		t.Fatal(err)
	}
	if len(elsewhere) != 1 || elsewhere[0] != "" {
		t.Errorf("the other host saw %q", elsewhere)
	}
	for _, s := range seen {
		if s != "Bearer "+secret {
			t.Errorf("the endpoint saw %q", s)
		}
	}
	h.api = func(w http.ResponseWriter, _ *http.Request, _ int) bool { w.WriteHeader(401); return true }
	if _, err := c.Model(t.Context(), parse(t, "hf://org/other")); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("the error is %v", err)
	}
}

func TestListsThatCannotBeTrustedAreRefused(t *testing.T) {
	git, large := gitHash("x"), sha("x")
	for _, c := range []struct{ list, want string }{
		{`<html>`, "no list of files"},
		{`{"sha":"main"}`, "names no commit"},
		{`{"sha":"` + commit + `","siblings":[{"rfilename":"../../x","size":1,"blobId":"` + git + `"}]}`, "leads elsewhere"},
		{`{"sha":"` + commit + `","siblings":[{"rfilename":"/etc/x","size":1,"blobId":"` + git + `"}]}`, "leads elsewhere"},
		{`{"sha":"` + commit + `","siblings":[{"rfilename":"a\\..\\b","size":1,"blobId":"` + git + `"}]}`, "leads elsewhere"},
		{`{"sha":"` + commit + `","siblings":[{"rfilename":"a","size":1}]}`, "could not be verified"},
		{`{"sha":"` + commit + `","siblings":[{"rfilename":"a","blobId":"` + git + `"}]}`, "could not be verified"},
		{`{"sha":"` + commit + `","siblings":[{"rfilename":"a","size":-1,"blobId":"` + git + `"}]}`, "-1 bytes"},
		{`{"sha":"` + commit + `","siblings":[{"rfilename":"a","size":1,"blobId":"../../../x"}]}`, "could not be verified"},
		{`{"sha":"` + commit + `","siblings":[{"rfilename":"a","lfs":{"sha256":"../x","size":1}}]}`, "no SHA-256"},
		{`{"sha":"` + commit + `","siblings":[{"rfilename":"pytorch_model.bin","lfs":{"sha256":"` + large + `","size":1}}]}`, "no config.json"},
		{`{"sha":"` + commit + `","siblings":[{"rfilename":"config.json","size":1,"blobId":"` + git + `"},{"rfilename":"pytorch_model.bin","lfs":{"sha256":"` + large + `","size":1}}]}`, "no model.safetensors"},
	} {
		h := newHub(t, nil)
		h.api = func(w http.ResponseWriter, _ *http.Request, _ int) bool { fmt.Fprint(w, c.list); return true }
		client := h.client(t)
		if _, err := client.Model(t.Context(), parse(t, "hf://org/name")); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.list, err, c.want)
		}
		if len(h.requests) != 1 {
			t.Errorf("%s: %d requests", c.list, len(h.requests))
		}
	}
}

func TestReferencesAreReadAndWritten(t *testing.T) {
	for s, want := range map[string]Ref{
		"hf://org/name":                              {Model, "org/name", "main", ""},
		"hf://org/na-me_1.5@v2":                      {Model, "org/na-me_1.5", "v2", ""},
		"hf://org/name@refs%2Fpr%2F1":                {Model, "org/name", "refs/pr/1", ""},
		"hf://datasets/org/set":                      {Dataset, "org/set", "main", ""},
		"hf://datasets/org/set@" + commit + "/a/b.c": {Dataset, "org/set", commit, "a/b.c"},
	} {
		got, err := ParseRef(s)
		if err != nil || got != want || got.String() != s {
			t.Errorf("%s: got %+v (%s), %v", s, got, got, err)
		}
	}
	for _, bad := range []string{"org/name", "hf://", "hf://name", "hf://a/b/c", "hf://../x", "hf://a/..", "hf://a/b@", "hf://a/b@../c", "hf://a--b/c",
		"hf://datasets/a/b/../c", "hf://datasets/a/b//c", "hf://a/.b", "hf://a /b", "hf://datasets/a"} {
		if r, err := ParseRef(bad); err == nil {
			t.Errorf("%q is read as %+v", bad, r)
		} else if !strings.Contains(err.Error(), "hint") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestTheEnvironmentSaysWhereToAskAndToKeep(t *testing.T) {
	env := func(pairs ...string) func(string) string {
		return func(key string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == key {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	for _, c := range []struct {
		env  []string
		want *Client
	}{
		{[]string{"HOME", "/h"}, &Client{Endpoint: defaultEndpoint, Cache: "/h/.cache/huggingface/hub"}},
		{[]string{"HOME", "/h", "XDG_CACHE_HOME", "/c"}, &Client{Endpoint: defaultEndpoint, Cache: "/c/huggingface/hub"}},
		{[]string{"HF_HOME", "/f", "HF_TOKEN", " t\n", "HF_HUB_OFFLINE", "1"}, &Client{Endpoint: defaultEndpoint, Token: "t", Cache: "/f/hub", Offline: true}},
		{[]string{"HF_HUB_CACHE", "/k", "HF_HOME", "/f", "HF_ENDPOINT", "http://mirror/"}, &Client{Endpoint: "http://mirror", Cache: "/k"}},
	} {
		got, err := FromEnv(env(c.env...))
		if err != nil {
			t.Errorf("%v: %v", c.env, err)
			continue
		}
		if got.Endpoint != c.want.Endpoint || got.Token != c.want.Token || got.Cache != c.want.Cache || got.Offline != c.want.Offline {
			t.Errorf("%v: got %s %s %v", c.env, got.Endpoint, got.Cache, got.Offline)
		}
	}
	for _, bad := range [][]string{{}, {"HOME", "/h", "HF_ENDPOINT", "huggingface.co"}} {
		if _, err := FromEnv(env(bad...)); err == nil || !strings.Contains(err.Error(), "hint") {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func FuzzListing(f *testing.F) {
	git, large := gitHash("x"), sha("x")
	f.Add([]byte(`{"sha":"` + commit + `","siblings":[{"rfilename":"config.json","size":1,"blobId":"` + git + `"},{"rfilename":"model.safetensors","lfs":{"sha256":"` + large + `","size":1}}]}`))
	f.Add([]byte(`{"sha":"` + commit + `","siblings":[{"rfilename":"data/../../x.jsonl","size":1,"blobId":"` + git + `"}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l, err := parseListing(raw)
		if err != nil {
			return
		}
		root := t.TempDir()
		for _, g := range l.files {
			at := filepath.Join(root, filepath.FromSlash(g.name))
			if rel, err := filepath.Rel(root, at); err != nil || !filepath.IsLocal(rel) || rel == "." {
				t.Fatalf("%q leads to %s", g.name, at)
			}
			if g.size < 0 || !commitPattern.MatchString(g.hash) && !sha256Pattern.MatchString(g.hash) {
				t.Fatalf("%+v cannot be verified", g)
			}
		}
		for _, choose := range []func([]file) ([]file, error){configFiles, modelFiles, func(all []file) ([]file, error) { return dataFiles(all, "") }} {
			if chosen, err := choose(l.files); err == nil && len(chosen) == 0 {
				t.Fatal("nothing is chosen and nothing is wrong")
			}
		}
	})
}

func FuzzRef(f *testing.F) {
	for _, s := range []string{"hf://org/name", "hf://datasets/org/set@v1/a/b.jsonl", "hf://org/name@refs%2Fpr%2F1", "hf://../x", "hf://a/b@../c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRef(s)
		if err != nil {
			return
		}
		again, err := ParseRef(r.String())
		if err != nil || again != r {
			t.Fatalf("%q is %+v, written %s, and that is %+v, %v", s, r, r, again, err)
		}
		for _, p := range []string{folderOf(r), r.Revision, r.Path} {
			if p != "" && !filepath.IsLocal(filepath.FromSlash(p)) {
				t.Fatalf("%q: %q leads elsewhere", s, p)
			}
		}
	})
}
