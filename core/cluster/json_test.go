package cluster

import (
	"math"
	"testing"
)

func TestEncodeJSONIsASCII(t *testing.T) {
	for in, want := range map[string]string{
		"plain":            `"plain"`,
		"":                 `""`,
		`<a href="x">&`:    `"<a href=\"x\">&"`,
		"tab\tnl\ncr\r\\":  `"tab\tnl\ncr\r\\"`,
		"\b\f\x00\x1f":     `"\b\f\u0000\u001f"`,
		"é":                `"\u00e9"`,
		"日本":               `"\u65e5\u672c"`,
		"\u2028\u2029":     `"\u2028\u2029"`,
		"\uffff":           `"\uffff"`,
		"\U00010000":       `"\ud800\udc00"`,
		"😀":                `"\ud83d\ude00"`,
		"\U0010ffff":       `"\udbff\udfff"`,
		"a😀b":              `"a\ud83d\ude00b"`,
		"not UTF-8: \xff!": `"not UTF-8: \ufffd!"`,
	} {
		if got := encode(t, in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func TestEncodedTextIsReadBack(t *testing.T) {
	for _, s := range []string{"😀", "a\U0010ffffé\u2028\"\\", "\u0000\u007f"} {
		o := &Object{}
		o.Set(s, s)
		back := object(t, o.String())
		if got := back.Get(s); got != s {
			t.Errorf("got %q, want %q", got, s)
		}
	}
	// Half a surrogate pair is no character; it must not stop a reader.
	if got := object(t, `{"a":"\ud83d"}`).Get("a"); got != "\ufffd" {
		t.Errorf("half a pair: got %q", got)
	}
}

func TestEncodeJSONRefusesWhatHasNoText(t *testing.T) {
	for _, v := range []any{math.NaN(), math.Inf(1), func() {}} {
		if b, err := EncodeJSON(v); err == nil {
			t.Errorf("%T gave %s", v, b)
		}
		if b, err := SpacedJSON(v); err == nil {
			t.Errorf("spaced %T gave %s", v, b)
		}
	}
	o := &Object{}
	o.Set("f", math.NaN())
	if b, err := o.MarshalJSON(); err == nil {
		t.Errorf("object with NaN gave %s", b)
	}
}

func TestSpacedJSON(t *testing.T) {
	for in, want := range map[string]string{
		`{}`:                                `{}`,
		`{"a":[]}`:                          `{"a": []}`,
		`{"state":"running","n":[1,2]}`:     `{"state": "running", "n": [1, 2]}`,
		`{"a:b,c":"d:e,f"}`:                 `{"a:b,c": "d:e,f"}`,
		`{"q":"\",:","b":"\\","c":"\\\":"}`: `{"q": "\",:", "b": "\\", "c": "\\\":"}`,
		`{"é":"😀"}`:                         `{"\u00e9": "\ud83d\ude00"}`,
	} {
		got, err := SpacedJSON(object(t, in))
		if err != nil || string(got) != want {
			t.Errorf("%s: got %s (%v), want %s", in, got, err, want)
		}
	}
}
