package rules

import (
	"encoding/json"
	"reflect"

	"github.com/invopop/jsonschema"
)

// Schema is the JSON schema (draft 2020-12) of a file of rules, for editors.
func Schema() []byte {
	reflector := &jsonschema.Reflector{FieldNameTag: "yaml", ExpandedStruct: true, Mapper: written}
	schema := reflector.Reflect(&ruleFile{})
	schema.Title = "verifier's rules"
	text, _ := json.MarshalIndent(schema, "", "  ") // unreachable error: a schema of plain fields
	return text
}

// written is the schema of the types that are written otherwise than they are kept.
func written(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[duration]():
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string", Pattern: `^(([0-9.]+(ns|us|µs|ms|s|m|h))+|[0-9]+[dw]|0)$`}, {Const: 0}}, Description: "a duration, like 30s, 15m, 12h or 90d"}
	case reflect.TypeFor[share]():
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string", Pattern: `^[0-9.]+ ?%?$`}, {Type: "number", Minimum: "0"}}, Description: "a share, 25% or 0.25"}
	case reflect.TypeFor[amount]():
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string", Pattern: `^-?[0-9.]+ ?%$`}, {Type: "number"}}, Description: "a value of what is measured; of shares also in percent: 0.005 or 0.5%"}
	case reflect.TypeFor[whole]():
		return &jsonschema.Schema{Type: "integer", Minimum: "0"}
	case reflect.TypeFor[oneOrMore]():
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string"}, {Type: "array", Items: &jsonschema.Schema{Type: "string"}}}}
	case reflect.TypeFor[when]():
		return &jsonschema.Schema{Type: "string", Pattern: `^\d{4}-\d\d-\d\d(T.+)?$`, Description: "a time, like 2026-11-24T10:00:00Z"}
	}
	return nil
}
