package hub

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What can be wrong for good.
var (
	ErrAuth     = errors.New("not allowed")
	ErrNotFound = errors.New("not found")
	ErrDamaged  = errors.New("what arrived is not what the Hub lists")
	ErrOffline  = errors.New("offline and not in the cache")
)

// Progress says how far a fetch is, in bytes.
type Progress struct {
	File       string // that the last bytes are of
	Done, Size int64  // of it
	Sum, Total int64  // of all the fetch's files, those that were in the cache included
}

// Client fetches from one Hub into one cache. Its fields are set before use and
// not changed after; then any number of goroutines may use it.
type Client struct {
	Endpoint string // https://huggingface.co
	Token    string // "" asks as nobody
	Cache    string // folder
	Offline  bool

	HTTP     *http.Client   // nil: http.DefaultClient
	Workers  int            // files at a time; 0: 4
	Tries    int            // in a row that bring nothing; 0: 6
	Stall    time.Duration  // without a byte until a connection counts as dead; 0: 60 s
	Progress func(Progress) // nil: nobody watches; calls do not overlap

	wait  func(ctx context.Context, d time.Duration) error // nil: sleep
	watch sync.Mutex                                       // of Progress
}

// defaultEndpoint is the Hub that names without another belong to.
const defaultEndpoint = "https://huggingface.co"

// FromEnv returns the client that the environment describes, by the variables
// that Hugging Face's own tools read: HF_ENDPOINT, HF_TOKEN, HF_HUB_CACHE,
// HF_HOME, XDG_CACHE_HOME, HOME and HF_HUB_OFFLINE.
func FromEnv(getenv func(string) string) (*Client, error) {
	c := &Client{Endpoint: defaultEndpoint, Token: strings.TrimSpace(getenv("HF_TOKEN"))}
	if e := getenv("HF_ENDPOINT"); e != "" {
		u, err := url.Parse(e)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("HF_ENDPOINT %q is no address (hint: https://huggingface.co)", e)
		}
		c.Endpoint = strings.TrimRight(e, "/")
	}
	switch strings.ToUpper(getenv("HF_HUB_OFFLINE")) {
	case "1", "ON", "YES", "TRUE":
		c.Offline = true
	}
	home := getenv("HF_HOME")
	if home == "" {
		base := getenv("XDG_CACHE_HOME")
		if base == "" && getenv("HOME") != "" {
			base = filepath.Join(getenv("HOME"), ".cache")
		}
		if base != "" {
			home = filepath.Join(base, "huggingface")
		}
	}
	switch {
	case getenv("HF_HUB_CACHE") != "":
		c.Cache = getenv("HF_HUB_CACHE")
	case home != "":
		c.Cache = filepath.Join(home, "hub")
	default:
		return nil, fmt.Errorf("no place for a cache of the Hub (hint: set HF_HOME)")
	}
	return c, nil
}

// get asks for an address and returns the answer if its status is one of ok.
func (c *Client) get(ctx context.Context, address string, header map[string]string, ok ...int) (*http.Response, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	q.Header.Set("User-Agent", "stillhouse")
	q.Header.Set("Accept-Encoding", "identity") // sizes and ranges are of the file itself
	if c.Token != "" {
		q.Header.Set("Authorization", "Bearer "+c.Token) // dropped by net/http when led to another host
	}
	for k, v := range header {
		q.Header.Set(k, v)
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	a, err := client.Do(q)
	if err != nil {
		return nil, err
	}
	for _, s := range ok {
		if a.StatusCode == s {
			return a, nil
		}
	}
	a.Body.Close()
	return nil, &statusError{code: a.StatusCode, address: address, after: retryAfter(a.Header)}
}

// statusError is an answer that was not wanted.
type statusError struct {
	code    int
	address string
	after   time.Duration // that the server asks to wait
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("%s: %d %s", e.address, e.code, http.StatusText(e.code))
	switch e.code {
	case http.StatusUnauthorized, http.StatusForbidden:
		text += " (hint: the repository is private or gated: accept its terms on its page, set HF_TOKEN to a token that may read it; or its name is misspelt)"
	case http.StatusNotFound:
		text += " (hint: check the name, the revision and the path)"
	}
	return text
}

func (e *statusError) Is(target error) bool {
	switch e.code {
	case http.StatusUnauthorized, http.StatusForbidden:
		return target == ErrAuth
	case http.StatusNotFound:
		return target == ErrNotFound
	}
	return false
}

// longestWait is how long a server may ask to wait.
const longestWait = 2 * time.Minute

func retryAfter(h http.Header) time.Duration {
	s, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || s < 0 {
		return 0
	}
	return min(time.Duration(s)*time.Second, longestWait)
}

// passing reports whether another try may help, and after how long at least.
func passing(err error) (bool, time.Duration) {
	var s *statusError
	if errors.As(err, &s) {
		switch s.code {
		case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusRequestedRangeNotSatisfiable:
			return true, s.after
		}
		return s.code >= 500, s.after
	}
	var final *finalError
	return !errors.Is(err, context.Canceled) && !errors.Is(err, errDisk) && !errors.As(err, &final), 0
}

// errDisk marks a failure of this machine, which no other try mends.
var errDisk = errors.New("the cache cannot be written")

// again calls try until it succeeds, fails for good, or has failed too often in
// a row; try reports whether it got anywhere, which begins the row anew.
func (c *Client) again(ctx context.Context, try func() (progress bool, err error)) error {
	most := c.Tries
	if most == 0 {
		most = 6
	}
	for failed := 0; ; {
		progress, err := try()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if progress {
			failed = 0
		}
		failed++
		may, after := passing(err)
		if !may || failed >= most {
			return err
		}
		// 1, 2, 4, … seconds, at most half a minute
		pause := max(after, min(time.Second<<min(failed-1, bits.UintSize/2-1), 30*time.Second))
		if err := c.pause(ctx, pause); err != nil {
			return err
		}
	}
}

func (c *Client) pause(ctx context.Context, d time.Duration) error {
	if c.wait != nil {
		return c.wait(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// tally adds up the progress of the files of one fetch.
type tally struct {
	client     *Client
	sum, total int64
	done       map[string]int64
}

func (c *Client) tally(files []file) *tally {
	t := &tally{client: c, done: map[string]int64{}}
	for _, f := range files {
		t.total += f.size
	}
	return t
}

// has notes how much of a file is there.
func (t *tally) has(f file, done int64) {
	c := t.client
	if c.Progress == nil {
		return
	}
	c.watch.Lock()
	defer c.watch.Unlock()
	t.sum += done - t.done[f.name]
	t.done[f.name] = done
	c.Progress(Progress{f.name, done, f.size, t.sum, t.total})
}
