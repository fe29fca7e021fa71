package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

// fakeHub serves one repository and does what a test tells it to.
type fakeHub struct {
	*httptest.Server
	files map[string]string // contents by name; those of *.safetensors are large files

	mu       sync.Mutex
	requests []string // method, path and range, in order
	// misbehave, if not nil, may answer a request for a file itself; n counts the
	// requests for that file from 0.
	misbehave func(w http.ResponseWriter, q *http.Request, name string, n int) bool
	api       func(w http.ResponseWriter, q *http.Request, n int) bool
	counts    map[string]int
}

func newHub(t *testing.T, files map[string]string) *fakeHub {
	t.Helper()
	h := &fakeHub{files: files, counts: map[string]int{}}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

func gitHash(s string) string {
	b := sha1.Sum([]byte(fmt.Sprintf("blob %d\x00%s", len(s), s)))
	return hex.EncodeToString(b[:])
}

func sha(s string) string {
	b := sha256.Sum256([]byte(s))
	return hex.EncodeToString(b[:])
}

func (h *fakeHub) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	h.mu.Lock()
	h.requests = append(h.requests, strings.TrimSpace(q.URL.Path+" "+q.Header.Get("Range")))
	n := h.counts[q.URL.Path]
	h.counts[q.URL.Path]++
	h.mu.Unlock()
	if strings.HasPrefix(q.URL.Path, "/api/") {
		if h.api == nil || !h.api(w, q, n) {
			h.list(w)
		}
		return
	}
	_, name, _ := strings.Cut(q.URL.Path, "/resolve/"+commit+"/")
	body, ok := h.files[name]
	if !ok {
		http.NotFound(w, q)
		return
	}
	if h.misbehave == nil || !h.misbehave(w, q, name, n) {
		http.ServeContent(w, q, "", time.Time{}, strings.NewReader(body))
	}
}

func (h *fakeHub) list(w http.ResponseWriter) {
	var siblings []map[string]any
	for name, body := range h.files {
		s := map[string]any{"rfilename": name, "size": len(body), "blobId": gitHash(body)}
		if strings.HasSuffix(name, ".safetensors") {
			s["lfs"] = map[string]any{"sha256": sha(body), "size": len(body), "pointerSize": 130}
		}
		siblings = append(siblings, s)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"sha": commit, "siblings": siblings})
}

// client returns a client of the hub with an empty cache, which does not wait.
func (h *fakeHub) client(t *testing.T) *Client {
	t.Helper()
	return &Client{Endpoint: h.URL, Cache: t.TempDir(), wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}
}

// modelRepo is a repository as models have them.
func modelRepo() map[string]string {
	return map[string]string{
		"config.json": `{"model_type":"llama"}`, "tokenizer.json": "{}", "model.safetensors": strings.Repeat("0123456789", 300_000),
		"pytorch_model.bin": "pickle", "README.md": "read", "modeling_x.py": "code", "sub/config.json": "other",
	}
}

func parse(t *testing.T, s string) Ref {
	t.Helper()
	r, err := ParseRef(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
