// Package hub fetches models and data sets from a Hugging Face Hub into the cache
// that other tools share.
//
// There are three types here: [Ref], what is wanted; [Client], where from and
// where to; and [Progress], what a watcher is told.
//
//	hf://org/name[@revision]                    a model: Client.Model gives its folder, Client.Config the same without weights
//	hf://datasets/org/name[@revision][/path]    a file, or a folder of the files of records: Client.Data
//
//	revision ─► commit and list of files, each with size and hash   list.go
//	         ─► those not in the cache, several at a time           download.go
//	         ─► size and hash right? ─► final name                  verify.go
//	         ─► snapshots/COMMIT/FILE, a link to it                 cache.go
//
//	HF_HUB_CACHE, or HF_HOME/hub, or ~/.cache/huggingface/hub
//	  models--org--name/refs/main            the commit of a branch
//	  models--org--name/snapshots/COMMIT/…   links into blobs
//	  models--org--name/blobs/HASH           a file's bytes, once
//	  models--org--name/blobs/HASH.incomplete   the beginning of one
//
// Invariants:
//
//   - A file has its final name only if its size and hash are those that the Hub
//     lists: SHA-256 for large files, Git's SHA-1 of a blob for small ones.
//   - What was read before a connection broke is kept and continued, in this
//     process or the next.
//   - Names from the server never lead outside of the snapshot.
//   - The token (HF_TOKEN) goes to the endpoint's host alone, as a header, and is in
//     no error and no file.
//   - With HF_HUB_OFFLINE set nothing is asked of the network.
//
// Failures that may pass (connections, 408, 429, 5xx) are tried again, later each
// time, as long as bytes arrive or the tries last; the others are [ErrAuth],
// [ErrNotFound] or [ErrDamaged], and say what to do.
//
// It uploads nothing and runs nothing that it fetched.
package hub
