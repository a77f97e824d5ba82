package cluster

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestParseObjectRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"empty":          ``,
		"blank":          "  \n",
		"cut":            `{"a":1`,
		"cut list":       `{"a":[1,`,
		"two":            `{} {}`,
		"text after":     `{"a":1} x`,
		"extra brace":    `{}}`,
		"comma at end":   `{"a":1,}`,
		"number as key":  `{1:2}`,
		"object as key":  `{{}:2}`,
		"wrong bracket":  `{"a":[1}`,
		"single quotes":  `{'a':1}`,
		"bad number":     `{"a":01}`,
		"NaN":            `{"a":NaN}`,
		"yaml":           "a: 1",
		"nested too far": `{"a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`,
		"bomb":           strings.Repeat(`{"a":`, 100_000),
	} {
		if o, err := ParseObject([]byte(text)); err == nil {
			t.Errorf("%s: got %v, want an error", name, o)
		}
	}
	for _, text := range []string{`null`, `1`, `"a"`, `[]`, `[{}]`, `true`} {
		if _, err := ParseObject([]byte(text)); !errors.Is(err, ErrNotObject) {
			t.Errorf("%s: got %v, want ErrNotObject", text, err)
		}
	}
}

func TestParseObjectAccepts(t *testing.T) {
	for in, want := range map[string]string{
		" { \"b\" : 1 ,\n\t\"a\" : [ 1 , { } ] } \n": `{"b":1,"a":[1,{}]}`,
		`{"a":1,"b":2,"a":3}`:                        `{"a":3,"b":2}`,
		`{"":null}`:                                  `{"":null}`,
		`{"a":"\u00e9\/"}`:                           `{"a":"\u00e9/"}`,
	} {
		if got := object(t, in).String(); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	deep := `{"a":` + strings.Repeat("[", 999) + strings.Repeat("]", 999) + `}`
	if got := object(t, deep).String(); got != deep {
		t.Error("an object 1000 deep did not come back")
	}
}

func TestObjectKeepsOrder(t *testing.T) {
	o := object(t, `{"c":1,"a":2,"b":3}`)
	o.Set("a", nil)    // at its old place
	o.Set("d", "new")  // at the end
	o.Delete("c")      // closes the gap
	o.Delete("absent") // nothing
	o.Set("c", true)   // a removed key comes back at the end
	if got, want := o.String(), `{"a":null,"b":3,"d":"new","c":true}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !o.Has("a") || o.Has("x") || o.Get("a") != nil || o.Len() != 4 {
		t.Errorf("wrong view of %v", o)
	}
	for k := range o.All() {
		o.Delete(k) // legal while iterating
	}
	if o.Len() != 0 || o.String() != "{}" {
		t.Errorf("got %v, want an empty object", o)
	}
}

func TestNilObjectIsEmpty(t *testing.T) {
	var o *Object
	o.Delete("a")
	for range o.All() {
		t.Error("a nil object has a key")
	}
	if o.Len() != 0 || o.Has("a") || o.Get("a") != nil || o.Object("a") != nil || o.Clone().String() != "{}" {
		t.Error("a nil object is not empty")
	}
}

func TestCloneIsDeep(t *testing.T) {
	const text = `{"a":{"b":[{"c":1},[2]]}}`
	o := object(t, text)
	c := o.Clone()
	list := c.Object("a").Get("b").([]any)
	list[0].(*Object).Set("c", "changed")
	list[1].([]any)[0] = "changed"
	c.Object("a").Set("d", "new")
	if got := o.String(); got != text {
		t.Errorf("the original became %s", got)
	}
}

// The merge rules of PATCH /config.
func TestPatch(t *testing.T) {
	cases := map[string]struct {
		old, patch, want string
		changed          bool
	}{
		"nothing":                              {`{"a":1}`, `{}`, `{"a":1}`, false},
		"null removes":                         {`{"a":1,"b":2}`, `{"a":null}`, `{"b":2}`, true},
		"null for an absent key":               {`{"a":1}`, `{"b":null}`, `{"a":1}`, false},
		"null removes a null":                  {`{"a":null}`, `{"a":null}`, `{}`, true},
		"null inside a new object stays":       {`{}`, `{"new":{"a":null,"b":1}}`, `{"new":{"a":null,"b":1}}`, true},
		"null inside a known object":           {`{"p":{"a":1,"b":2}}`, `{"p":{"a":null}}`, `{"p":{"b":2}}`, true},
		"absent null inside a known object":    {`{"p":{"b":2}}`, `{"p":{"a":null}}`, `{"p":{"b":2}}`, false},
		"an emptied object stays":              {`{"p":{"a":1}}`, `{"p":{"a":null}}`, `{"p":{}}`, true},
		"objects are merged at every level":    {`{"p":{"q":{"a":1,"b":2},"c":3}}`, `{"p":{"q":{"b":20,"d":4}}}`, `{"p":{"q":{"a":1,"b":20,"d":4},"c":3}}`, true},
		"object on scalar":                     {`{"a":1}`, `{"a":{"b":null}}`, `{"a":{"b":null}}`, true},
		"scalar on object":                     {`{"a":{"b":1}}`, `{"a":1}`, `{"a":1}`, true},
		"the text of an object is not one":     {`{"a":{"b":1}}`, `{"a":"{\"b\":1}"}`, `{"a":"{\"b\":1}"}`, true},
		"list on list replaces":                {`{"a":[1,2]}`, `{"a":[3]}`, `{"a":[3]}`, true},
		"the same list":                        {`{"a":[1,{"b":2}]}`, `{"a":[1,{"b":2}]}`, `{"a":[1,{"b":2}]}`, false},
		"the same object":                      {`{"a":{"b":[1]}}`, `{"a":{"b":[1]}}`, `{"a":{"b":[1]}}`, false},
		"empty object on object":               {`{"a":{"b":1}}`, `{"a":{}}`, `{"a":{"b":1}}`, false},
		"text of the old number":               {`{"a":20}`, `{"a":"20"}`, `{"a":20}`, false},
		"number of the old text":               {`{"a":"20"}`, `{"a":20}`, `{"a":"20"}`, false},
		"another number":                       {`{"a":20}`, `{"a":21}`, `{"a":21}`, true},
		"true is not the text true":            {`{"a":true}`, `{"a":"true"}`, `{"a":"true"}`, true},
		"true is the text True":                {`{"a":true}`, `{"a":"True"}`, `{"a":true}`, false},
		"a value over null":                    {`{"a":null}`, `{"a":1}`, `{"a":1}`, true},
		"new keys at the end, the order stays": {`{"z":1,"b":2}`, `{"a":3,"b":4}`, `{"z":1,"b":4,"a":3}`, true},
		"a number beyond float64":              {`{"a":9007199254740992}`, `{"a":9007199254740993}`, `{"a":9007199254740993}`, true},
		"pause":                                {`{"ttl":30}`, `{"pause":true}`, `{"ttl":30,"pause":true}`, true},
		"resume":                               {`{"ttl":30,"pause":true}`, `{"pause":null}`, `{"ttl":30}`, true},
		"resume twice":                         {`{"ttl":30}`, `{"pause":null}`, `{"ttl":30}`, false},
	}
	for name, c := range cases {
		o, patch := object(t, c.old), object(t, c.patch)
		if changed := o.Patch(patch); changed != c.changed || o.String() != c.want {
			t.Errorf("%s: got %v, %v, want %s, %v", name, o, changed, c.want, c.changed)
		}
		if patch.String() != c.patch {
			t.Errorf("%s: the patch became %v", name, patch)
		}
	}
}

func TestPatchCopies(t *testing.T) {
	o, patch := &Object{}, object(t, `{"a":{"b":1}}`)
	o.Patch(patch)
	o.Object("a").Set("b", "changed")
	if got := patch.String(); got != `{"a":{"b":1}}` {
		t.Errorf("the patch became %s", got)
	}
}

func TestText(t *testing.T) {
	list := object(t, `{"l":[1,"é",null],"o":{"b":1.0,"a":true}}`)
	for _, c := range []struct {
		v    any
		want string
	}{
		{nil, "None"},
		{true, "True"},
		{false, "False"},
		{"", ""},
		{"text", "text"},
		{json.Number("1.10"), "1.10"},
		{json.Number("9007199254740993"), "9007199254740993"},
		{7, "7"},
		{int64(-7), "-7"},
		{1.5, "1.5"},
		{list.Get("l"), `[1,"\u00e9",null]`},
		{list.Get("o"), `{"b":1.0,"a":true}`},
		{[]string{"a"}, `["a"]`},
	} {
		if got := Text(c.v); got != c.want {
			t.Errorf("%#v: got %q, want %q", c.v, got, c.want)
		}
	}
}

func TestObjectInsideOtherTypes(t *testing.T) {
	var v struct {
		Config Object `json:"config"`
		Tags   Tags   `json:"tags"`
	}
	if err := json.Unmarshal([]byte(`{"config":{"b":1,"a":2},"tags":{"z":1,"y":2}}`), &v); err != nil {
		t.Fatal(err)
	}
	if got := v.Config.String() + encode(t, v.Tags); got != `{"b":1,"a":2}{"z":1,"y":2}` {
		t.Errorf("got %s", got)
	}
	if err := json.Unmarshal([]byte(`{"config":[1]}`), &v); err == nil {
		t.Error("a list was read as an object")
	}
	if err := json.Unmarshal([]byte(`{"tags":[1]}`), &v); err != nil || v.Tags.Len() != 0 || encode(t, v.Tags) != "{}" {
		t.Errorf("a list as tags: %v, %v", v.Tags, err)
	}
}
