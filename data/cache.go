package data

import (
	"container/list"
	"sync"
)

// cache keeps documents in memory, the latest used, up to a number of bytes. It
// saves the file system work, not the tokenizer: a window is encoded anew each
// time, which costs microseconds and needs no memory.
type cache struct {
	mu    sync.Mutex
	limit int64
	used  int64
	order *list.List // of *cached, latest first
	at    map[cacheKey]*list.Element
}

// cacheKey names an entry of a corpus; the pointer tells corpora apart.
type cacheKey struct {
	of    *corpus
	entry *entry
}

type cached struct {
	key cacheKey
	doc Document
}

func newCache(limit int64) *cache {
	return &cache{limit: limit, order: list.New(), at: map[cacheKey]*list.Element{}}
}

func (c *cache) get(key cacheKey) (Document, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.at[key]
	if !ok {
		return Document{}, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached).doc, true
}

// put adds a document and drops the ones longest unused. One that is larger than
// the whole cache is not kept.
func (c *cache) put(key cacheKey, doc Document) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.at[key]; ok || doc.cost() > c.limit {
		return
	}
	c.at[key] = c.order.PushFront(&cached{key, doc})
	c.used += doc.cost()
	for c.used > c.limit {
		last := c.order.Back()
		old := c.order.Remove(last).(*cached)
		delete(c.at, old.key)
		c.used -= old.doc.cost()
	}
}

// cost is what a cached document takes, its entry in list and map included.
func (d Document) cost() int64 { return int64(d.bytes()) + 200 }
