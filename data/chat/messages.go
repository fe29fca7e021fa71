package chat

import (
	"encoding/json"
	"fmt"
)

// ReadMessages reads a list of messages; each must have a role and a content.
func ReadMessages(raw []byte) ([]Message, error) {
	var fields []map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, fmt.Errorf("messages is no list of objects: %w", err)
	}
	if len(fields) == 0 {
		return nil, fmt.Errorf("messages is empty")
	}
	all := make([]Message, len(fields))
	for i, f := range fields {
		m := make(Message, len(f))
		for k, raw := range f {
			v, err := readOrdered(raw, k != "content") // what is in a content is text to most templates
			if err != nil {
				return nil, fmt.Errorf("message %d: %s: %w", i, k, err)
			}
			m[k] = v
		}
		if m.Role() == "" {
			return nil, fmt.Errorf("message %d has no role", i)
		}
		if _, ok := m["content"]; !ok {
			return nil, fmt.Errorf("message %d has no content", i)
		}
		all[i] = m
	}
	return all, nil
}
