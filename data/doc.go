// Package data turns text and tasks into rows of tokens with the labels, masks
// and document boundaries that training needs.
//
// There are four types here: [Config] says what rows are made of, [Open] makes a
// [Loader] of it, the Loader makes a [Batch], and a [Prefetcher] makes batches
// ahead of their use.
//
//	Config ─► Open ─► Loader.Batch(split, step, size) ─► Batch{Tokens, Labels, Start, Mask}
//
//	row n ─► generator keyed by (seed, split, n)
//	      ─► one source, by weight ─► documents of it until the row is full
//	      ─► encode ─► Tokens, Start ─► Labels (the next token of the same document) ─► Mask
//
// Sources, chosen in one switch in config.go:
//
//	go          the Go distribution's source and texts     gosource.go
//	prose       small stories from a grammar, endless      generated.go
//	task:NAME   items of package tasks, endless            generated.go
//	a path      text files, or records, whose form its name says:
//	            .txt, .jsonl, .parquet, and .zst around them  files.go
//
//	record      {"text"}, {"prompt", "completion"} or {"messages"}  records.go
//	messages    written by the model's chat template (package chat) and encoded as
//	            a whole; the mask is what the assistant said      row.go
//	.zst, .parquet  unpacked once into the user's cache           unpack.go, parquet.go
//
// Invariants:
//
//   - A row depends on the configuration, the tokenizer, the sources' contents and
//     its number, on nothing else. So there is no position to save but a number,
//     any batch can be made without those before it, and a resumed run reads what
//     an uninterrupted one does.
//   - Rows are drawn with replacement: there are no epochs.
//   - A source has exactly its weight's share of rows in expectation, and of tokens
//     where rows are full. Within files every byte is about equally likely.
//   - A record that cannot be read is an error that names file and line or, with
//     OnError Skip, left out and counted; never a row.
//   - Labels never cross a document's end, masked or not; a document of a row has
//     at least one label that counts, or the row is drawn again.
//   - Held-out documents are never trained on: files are divided by a hash of their
//     path, JSON lines by one of their content, tasks by one of their question.
//   - Held-out rows do not depend on the seed, so that runs with several seeds are
//     compared on the same rows.
//
// Text from the Go distribution changes with its version. A figure that is pinned
// in a test is measured on tasks or prose, which are the same everywhere.
//
// Memory is bounded by Config.CacheBytes and the list of documents, whatever the
// size of the files; contents are read from disk again when they fall out.
//
// It does not download or shuffle anything, and imports nothing of ours.
package data
