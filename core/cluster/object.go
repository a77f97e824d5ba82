package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
)

// Object is a JSON object that keeps the order of its keys and the text of
// its numbers, so that what is read and written back stays byte for byte the
// same where nothing changed. Values are nil, bool, string, json.Number,
// []any and *Object. The zero value is an empty object. Setting a value in
// an Object that others hold is the caller's mistake: Clone first.
type Object struct {
	keys []string
	vals map[string]any
}

// ErrNotObject means that a JSON text is valid but is not an object.
var ErrNotObject = errors.New("not a JSON object")

// maxDepth bounds the nesting of what is read. Python's reader gives up near
// 1000, and the time to write an object grows with the square of its depth.
const maxDepth = 1000

// ParseObject reads one JSON object, nested at most 1000 deep. For duplicate
// keys the last value wins.
func ParseObject(text []byte) (*Object, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	v, err := decodeValue(dec, maxDepth)
	if err != nil {
		return nil, fmt.Errorf("parse JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("parse JSON: unexpected text after the object")
	}
	o, ok := v.(*Object)
	if !ok {
		return nil, ErrNotObject
	}
	return o, nil
}

func decodeValue(dec *json.Decoder, depth int) (any, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	if _, nests := tok.(json.Delim); nests && depth == 0 {
		return nil, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	switch tok {
	case json.Delim('{'):
		return decodeObject(dec, depth-1)
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, err := decodeValue(dec, depth-1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, err
	}
	return tok, nil
}

func decodeObject(dec *json.Decoder, depth int) (*Object, error) {
	o := &Object{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		v, err := decodeValue(dec, depth)
		if err != nil {
			return nil, err
		}
		o.Set(key.(string), v) // the decoder guarantees string keys
	}
	_, err := dec.Token()
	return o, err
}

// Len returns the number of keys; a nil Object has none.
func (o *Object) Len() int {
	if o == nil {
		return 0
	}
	return len(o.keys)
}

// Get returns the value of key, or nil.
func (o *Object) Get(key string) any {
	if o == nil {
		return nil
	}
	return o.vals[key]
}

// Has reports whether key is present, with null or any other value.
func (o *Object) Has(key string) bool {
	if o == nil {
		return false
	}
	_, ok := o.vals[key]
	return ok
}

// Object returns the object under key, or nil.
func (o *Object) Object(key string) *Object {
	sub, _ := o.Get(key).(*Object)
	return sub
}

// Set puts a value under key, at its old place or at the end.
func (o *Object) Set(key string, v any) {
	if o.vals == nil {
		o.vals = map[string]any{}
	}
	if _, ok := o.vals[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.vals[key] = v
}

// Delete removes key.
func (o *Object) Delete(key string) {
	if !o.Has(key) {
		return
	}
	delete(o.vals, key)
	for i, k := range o.keys {
		if k == key {
			o.keys = append(o.keys[:i:i], o.keys[i+1:]...)
			return
		}
	}
}

// All iterates over keys and values in order.
func (o *Object) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		if o == nil {
			return
		}
		for _, k := range o.keys {
			if !yield(k, o.vals[k]) {
				return
			}
		}
	}
}

// Clone returns a deep copy.
func (o *Object) Clone() *Object {
	c := &Object{}
	for k, v := range o.All() {
		c.Set(k, cloneValue(v))
	}
	return c
}

func cloneValue(v any) any {
	switch v := v.(type) {
	case *Object:
		return v.Clone()
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = cloneValue(v[i])
		}
		return list
	}
	return v
}

// Patch applies patch to o as PATCH /config does and reports whether
// anything changed: null removes a key, an object is merged into an object,
// anything else replaces, unless its text equals the text of the old value
// ("20" over 20 changes nothing). A null inside a newly added object stays.
func (o *Object) Patch(patch *Object) bool {
	changed := false
	for k, v := range patch.All() {
		old, exists := o.vals[k]
		sub, isObj := v.(*Object)
		oldSub, oldIsObj := old.(*Object)
		switch {
		case v == nil:
			if exists {
				o.Delete(k)
				changed = true
			}
		case isObj && oldIsObj:
			if oldSub.Patch(sub) {
				changed = true
			}
		case exists && !isObj && !oldIsObj && Text(old) == Text(v):
		default:
			o.Set(k, cloneValue(v))
			changed = true
		}
	}
	return changed
}

// MarshalJSON writes the keys in order, compactly.
func (o *Object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	first := true
	for k, v := range o.All() {
		if !first {
			b.WriteByte(',')
		}
		first = false
		key, err := EncodeJSON(k)
		if err != nil {
			return nil, err
		}
		val, err := EncodeJSON(v)
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(val)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// UnmarshalJSON reads an object; see ParseObject.
func (o *Object) UnmarshalJSON(text []byte) error {
	p, err := ParseObject(text)
	if err != nil {
		return err
	}
	*o = *p
	return nil
}

// String returns the compact JSON text.
func (o *Object) String() string {
	b, err := EncodeJSON(o)
	if err != nil {
		return "{}"
	}
	return string(b)
}

// Text returns the form in which two configuration values are compared:
// strings as they are, numbers as written, booleans as Python spells them
// (True, False), null as None, lists and objects as JSON.
func Text(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case string:
		return v
	case bool:
		if v {
			return "True"
		}
		return "False"
	case json.Number:
		return v.String()
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	b, err := EncodeJSON(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
