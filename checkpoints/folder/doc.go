// Package folder writes a folder of files that is wanted whole or not at all: a
// model that is handed out, whatever its format.
//
//	err := folder.Save("out", []folder.File{
//		folder.Bytes("config.json", config),
//		{Name: "model.safetensors", Write: func(w io.Writer) error { … }},
//	}, func(temp string) ([]folder.File, error) {
//		… // read temp back, and refuse it or describe it
//	})
//
// Files are streamed into a folder beside the final one, fsynced, and take their
// name together. Before that the caller may read what is there, add to it or
// refuse it: nothing that was not verified ever stands under the final name.
// What a kill leaves is called .tmp-NAME-… and can be deleted.
//
// It does not know what the files are; checkpoints/hf and checkpoints/gguf do.
package folder
