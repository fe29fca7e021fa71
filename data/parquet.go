package data

// Parquet files: a row is a record, whose columns are text, prompt, completion
// and messages, the last a list of structs of texts. Only these columns are
// read, a page of each at a time.

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/parquet-go/parquet-go"
)

// parquetToLines writes a Parquet file as JSON lines, a line a row: row n of the
// file is line n.
func parquetToLines(w io.Writer, path string) (err error) {
	defer func() {
		if r := recover(); r != nil { // the library panics on some damaged pages
			err = fmt.Errorf("damaged Parquet: %v", r)
		}
	}()
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return err
	}
	if err := checkFooter(f, stat.Size()); err != nil {
		return fmt.Errorf("not a sound Parquet file: %w", err)
	}
	file, err := parquet.OpenFile(f, stat.Size(), parquet.SkipBloomFilters(true), parquet.SkipPageIndex(true))
	if err != nil {
		return fmt.Errorf("not a sound Parquet file: %w", err)
	}
	columns, err := recordColumns(file.Schema())
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 1<<16)
	row := int64(0)
	for _, group := range file.RowGroups() {
		if err := writeGroup(out, group, columns, &row); err != nil {
			return fmt.Errorf("row %d: %w", row+1, err)
		}
	}
	return out.Flush()
}

// checkFooter looks at what ends the file, the footer's length and PAR1: the
// library takes memory for a footer of any length before it reads one.
func checkFooter(r io.ReaderAt, size int64) error {
	const magic, frame = "PAR1", 12 // PAR1 at both ends, and the length
	var end [8]byte
	if size < frame {
		return fmt.Errorf("%d bytes are too few", size)
	}
	if _, err := r.ReadAt(end[:], size-int64(len(end))); err != nil {
		return err
	}
	if length := int64(binary.LittleEndian.Uint32(end[:])); string(end[4:]) != magic {
		return fmt.Errorf("it ends in %q, not in %s: cut short, or encrypted", end[4:], magic)
	} else if length > size-frame {
		return fmt.Errorf("a footer of %d bytes in a file of %d", length, size)
	}
	return nil
}

// recordColumn is a column that records are made of.
type recordColumn struct {
	leaf parquet.LeafColumn
	key  string // of the record, or of a message
	// present is the definition level from which a value is of a message that is
	// there; below it the list is empty or null.
	present int
}

func (c recordColumn) inMessages() bool { return c.leaf.MaxRepetitionLevel == 1 }

// recordColumns finds them in the schema.
func recordColumns(s *parquet.Schema) ([]recordColumn, error) {
	var columns []recordColumn
	for _, path := range s.Columns() {
		leaf, ok := s.Lookup(path...)
		if !ok || leaf.Node.Type().Kind() != parquet.ByteArray {
			continue
		}
		key := path[len(path)-1]
		switch {
		case len(path) == 1 && slices.Contains([]string{"text", "prompt", "completion"}, key) && leaf.MaxRepetitionLevel == 0:
		case len(path) > 1 && path[0] == "messages" && leaf.MaxRepetitionLevel == 1:
		default:
			continue
		}
		columns = append(columns, recordColumn{leaf, key, repeatedLevel(s, path)})
	}
	if columns == nil {
		return nil, fmt.Errorf("no column text, prompt, completion or messages of texts; hint: its columns are %v", topLevel(s))
	}
	return columns, nil
}

// repeatedLevel returns the definition level of the list on a path.
func repeatedLevel(s *parquet.Schema, path []string) (level int) {
	repeated := 0
	fields := s.Fields()
	for _, name := range path {
		i := slices.IndexFunc(fields, func(f parquet.Field) bool { return f.Name() == name })
		if !fields[i].Required() {
			level++
		}
		if fields[i].Repeated() {
			repeated = level
		}
		fields = fields[i].Fields()
	}
	return repeated
}

func topLevel(s *parquet.Schema) (names []string) {
	for _, f := range s.Fields() {
		names = append(names, f.Name())
	}
	return names
}

// writeGroup writes the rows of one group and counts them in row.
func writeGroup(w io.Writer, group parquet.RowGroup, columns []recordColumn, row *int64) error {
	cursors := make([]*columnCursor, len(columns))
	chunks := group.ColumnChunks()
	for i, c := range columns {
		cursors[i] = &columnCursor{pages: chunks[c.leaf.ColumnIndex].Pages(), buf: make([]parquet.Value, 256)}
		defer cursors[i].pages.Close()
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for range group.NumRows() {
		record := map[string]any{}
		for i, c := range columns {
			values, err := cursors[i].row()
			if err != nil {
				return fmt.Errorf("column %s: %w", c.key, err)
			}
			c.put(record, values)
		}
		if err := e.Encode(record); err != nil {
			return err
		}
		*row++
	}
	return nil
}

// put adds a row's values of the column to the record; a null is left out.
func (c recordColumn) put(record map[string]any, values []parquet.Value) {
	if !c.inMessages() {
		if !values[0].IsNull() {
			record[c.key] = string(values[0].ByteArray())
		}
		return
	}
	list, _ := record["messages"].([]map[string]any)
	for i, v := range values {
		if v.DefinitionLevel() < c.present {
			break
		}
		if i == len(list) {
			list = append(list, map[string]any{})
		}
		if !v.IsNull() {
			list[i][c.key] = string(v.ByteArray())
		}
	}
	record["messages"] = list
}

// columnCursor reads a column row by row.
type columnCursor struct {
	pages  parquet.Pages
	values parquet.ValueReader // of the current page; nil: the next is due
	buf    []parquet.Value
	at, n  int // of buf: the next value, and how many there are
	kept   []parquet.Value
}

// next returns the next value without taking it; io.EOF after the last.
func (c *columnCursor) next() (parquet.Value, error) {
	for c.at == c.n {
		if c.values == nil {
			page, err := c.pages.ReadPage()
			if err != nil {
				return parquet.Value{}, err
			}
			c.values = page.Values()
		}
		n, err := c.values.ReadValues(c.buf)
		c.at, c.n = 0, n
		if errors.Is(err, io.EOF) {
			c.values = nil
		} else if err != nil {
			return parquet.Value{}, err
		}
	}
	return c.buf[c.at], nil
}

// row returns the values of the next row, at least one; they are valid until the
// next call.
func (c *columnCursor) row() ([]parquet.Value, error) {
	c.kept = c.kept[:0]
	for {
		v, err := c.next()
		switch {
		case errors.Is(err, io.EOF) && len(c.kept) > 0:
			return c.kept, nil
		case errors.Is(err, io.EOF):
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		case len(c.kept) > 0 && v.RepetitionLevel() == 0:
			return c.kept, nil
		}
		c.kept = append(c.kept, v.Clone())
		c.at++
	}
}
