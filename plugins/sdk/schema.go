package sdk

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pgregent/pgregent/plugins/proto"
)

// Schema describes the settings of a plugin, a pointer to a struct, from its
// fields' tags:
//
//	Timeout time.Duration `plugin:"timeout" help:"how long a call may take"`
//	Token   string        `plugin:"token,required,secret" help:"..."`
//	Mode    string        `plugin:"mode" choices:"fast,slow"`
//
// Fields may be string, bool, int, int64, time.Duration, []string and
// map[string]string; what they hold is the default.
func Schema(settings any) ([]*proto.Setting, error) {
	var out []*proto.Setting
	err := fields(settings, func(f field) error {
		s := &proto.Setting{
			Name: f.name, Type: f.kind, Required: f.required, Secret: f.secret, Help: f.help, Choices: f.choices,
		}
		if !f.value.IsZero() && !f.secret {
			s.Default = fmt.Sprint(f.value.Interface())
		}
		out = append(out, s)
		return nil
	})
	return out, err
}

// field is one setting.
type field struct {
	name, help       string
	required, secret bool
	choices          []string
	kind             proto.Setting_Type
	value            reflect.Value
}

func fields(settings any, f func(field) error) error {
	if settings == nil {
		return nil
	}
	v := reflect.ValueOf(settings)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("settings are a %T, want a pointer to a struct", settings)
	}
	v = v.Elem()
	for i := range v.NumField() {
		def := v.Type().Field(i)
		tag, ok := def.Tag.Lookup("plugin")
		if !ok {
			continue
		}
		words := strings.Split(tag, ",")
		one := field{
			name: words[0], help: def.Tag.Get("help"), value: v.Field(i),
			required: slices.Contains(words[1:], "required"), secret: slices.Contains(words[1:], "secret"),
		}
		if c := def.Tag.Get("choices"); c != "" {
			one.choices = strings.Split(c, ",")
		}
		if one.kind = kindOf(def.Type); one.kind == proto.Setting_TYPE_UNSPECIFIED {
			return fmt.Errorf("setting %s has type %s, which is not supported", one.name, def.Type)
		}
		if err := f(one); err != nil {
			return err
		}
	}
	return nil
}

func kindOf(t reflect.Type) proto.Setting_Type {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return proto.Setting_TYPE_DURATION
	case t.Kind() == reflect.String:
		return proto.Setting_TYPE_STRING
	case t.Kind() == reflect.Bool:
		return proto.Setting_TYPE_BOOL
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int64:
		return proto.Setting_TYPE_INT
	case t == reflect.TypeFor[[]string]():
		return proto.Setting_TYPE_LIST
	case t == reflect.TypeFor[map[string]string]():
		return proto.Setting_TYPE_MAP
	}
	return proto.Setting_TYPE_UNSPECIFIED
}

// Decode fills settings from a JSON object and says what is wrong with it.
func Decode(settings any, text []byte) []*proto.Finding {
	given := map[string]any{}
	if len(text) > 0 {
		dec := json.NewDecoder(strings.NewReader(string(text)))
		dec.UseNumber()
		if err := dec.Decode(&given); err != nil {
			return []*proto.Finding{{Message: "not a JSON object: " + err.Error()}}
		}
	}
	var findings []*proto.Finding
	find := func(key, format string, args ...any) {
		findings = append(findings, &proto.Finding{Key: key, Message: fmt.Sprintf(format, args...)})
	}
	known := map[string]bool{}
	err := fields(settings, func(f field) error {
		known[f.name] = true
		v, ok := given[f.name]
		if !ok || v == nil {
			if f.required {
				find(f.name, "is not set; it must be %s", f.help)
			}
			return nil
		}
		if err := f.set(v); err != nil {
			find(f.name, "%v", err) // never with the value: it may be a secret
			return nil
		}
		if len(f.choices) > 0 && !slices.Contains(f.choices, f.value.String()) {
			find(f.name, "must be one of %s", strings.Join(f.choices, ", "))
		}
		return nil
	})
	if err != nil {
		find("", "%v", err)
	}
	for _, key := range sortedKeys(given) {
		if !known[key] {
			find(key, "is not a setting of this plugin")
		}
	}
	return findings
}

func sortedKeys(m map[string]any) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// set writes a value of JSON into the field.
func (f field) set(v any) error {
	switch f.kind {
	case proto.Setting_TYPE_STRING:
		s, ok := scalar(v)
		if !ok {
			return fmt.Errorf("must be text")
		}
		f.value.SetString(s)
	case proto.Setting_TYPE_BOOL:
		b, err := strconv.ParseBool(fmt.Sprint(v))
		if err != nil {
			return fmt.Errorf("must be true or false")
		}
		f.value.SetBool(b)
	case proto.Setting_TYPE_INT:
		n, err := strconv.ParseInt(fmt.Sprint(v), 10, 64)
		if err != nil {
			return fmt.Errorf("must be a whole number")
		}
		f.value.SetInt(n)
	case proto.Setting_TYPE_DURATION:
		d, err := duration(fmt.Sprint(v))
		if err != nil {
			return err
		}
		f.value.SetInt(int64(d))
	case proto.Setting_TYPE_LIST:
		return f.setList(v)
	case proto.Setting_TYPE_MAP:
		return f.setMap(v)
	}
	return nil
}

func (f field) setList(v any) error {
	items, ok := v.([]any)
	if !ok {
		items = []any{v}
	}
	var list []string
	for _, item := range items {
		s, ok := scalar(item)
		if !ok {
			return fmt.Errorf("must be a list of text")
		}
		list = append(list, s)
	}
	f.value.Set(reflect.ValueOf(list))
	return nil
}

func (f field) setMap(v any) error {
	object, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("must be a mapping of names to text")
	}
	out := map[string]string{}
	for k, item := range object {
		s, ok := scalar(item)
		if !ok {
			return fmt.Errorf("must be a mapping of names to text")
		}
		out[k] = s
	}
	f.value.Set(reflect.ValueOf(out))
	return nil
}

func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number, bool:
		return fmt.Sprint(v), true
	}
	return "", false
}

// duration reads a number of seconds, or a number with a unit.
func duration(s string) (time.Duration, error) {
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		return time.Duration(n * float64(time.Second)), nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("must be a number of seconds, or a number with a unit (5s, 500ms)")
	}
	return d, nil
}
