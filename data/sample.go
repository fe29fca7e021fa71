package data

// Sample returns about size bytes of training text, drawn as rows are: what a
// tokenizer is trained on before there can be a [Loader]. Of the configuration,
// Packing and LossOn make no difference.
func Sample(cfg Config, size int) ([]string, error) {
	mix, err := openMixture(&cfg)
	if err != nil {
		return nil, err
	}
	perRow := bytesPerToken * cfg.SequenceLen
	var texts []string
	for row := int64(0); size > 0; row++ {
		r, seed := cfg.rowRand(Train, row)
		src := mix.sources[mix.choose(r)]
		for room := perRow; room > 0 && size > 0; {
			at, ok := src.pick(r, Train)
			if !ok {
				break
			}
			doc, err := src.read(Train, seed, at)
			if err != nil {
				return nil, err
			}
			for _, p := range doc.Parts { // apart, as a row encodes them
				if s := p.Text[:min(len(p.Text), room)]; s != "" {
					texts = append(texts, s)
					room -= len(s)
					size -= len(s)
				}
			}
		}
	}
	return texts, nil
}
