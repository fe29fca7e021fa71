package chat

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// ReadMessages reads a list of messages; each must have a role and a content.
func ReadMessages(raw []byte) ([]Message, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var list []Message
	if err := d.Decode(&list); err != nil {
		return nil, fmt.Errorf("messages is no list of objects: %w", err)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("messages is empty")
	}
	for i, m := range list {
		if m.Role() == "" {
			return nil, fmt.Errorf("message %d has no role", i)
		}
		if _, ok := m["content"]; !ok {
			return nil, fmt.Errorf("message %d has no content", i)
		}
		for k := range m {
			m[k] = plainNumbers(m[k])
		}
	}
	return list, nil
}
