package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/invopop/jsonschema"
	"github.com/spf13/cobra"

	"verifier/outbound"
	"verifier/rollback"
	"verifier/rules"
)

func printSchema(c *cobra.Command, of string) error {
	switch of {
	case "rules":
		fmt.Fprintln(c.OutOrStdout(), string(rules.Schema()))
		return nil
	case "config":
		text, err := configSchema()
		if err != nil {
			return err
		}
		fmt.Fprintln(c.OutOrStdout(), string(text))
		return nil
	}
	return fmt.Errorf("invalid --schema %q: must be rules or config", of)
}

// configSchema is the JSON schema of verifier.yaml, out of the structs that it is decoded into.
func configSchema() ([]byte, error) {
	reflector := &jsonschema.Reflector{FieldNameTag: "yaml", ExpandedStruct: true, RequiredFromJSONSchemaTags: true, Mapper: schemaOf}
	schema := reflector.Reflect(&Config{})
	schema.Title = "verifier.yaml"
	return json.MarshalIndent(schema, "", "  ")
}

// schemaOf is the schema of the types that are written otherwise than they are kept.
func schemaOf(t reflect.Type) *jsonschema.Schema {
	inner := &jsonschema.Reflector{FieldNameTag: "yaml", RequiredFromJSONSchemaTags: true, Anonymous: true, DoNotReference: true, ExpandedStruct: true, Mapper: schemaOf}
	nested := func(v any) *jsonschema.Schema {
		s := inner.Reflect(v)
		s.Version = ""
		return s
	}
	switch t {
	case reflect.TypeFor[time.Duration]():
		return &jsonschema.Schema{Type: "string", Pattern: `^(0|([0-9.]+(ms|s|m|h|d|w))+)$`, Description: "a duration, like 30s, 15m, 12h or 90d"}
	case reflect.TypeFor[outbound.Secret]():
		return &jsonschema.Schema{Type: "string"}
	case reflect.TypeFor[SourceConfig]():
		one := &jsonschema.Schema{Type: "object"}
		for _, kind := range slices.Sorted(maps.Keys(sourceTypes)) {
			if kind != "by_environment" { // which holds all the others
				one.OneOf = append(one.OneOf, typed(nested(sourceTypes[kind]()), kind))
			}
		}
		inner := jsonschema.NewProperties()
		inner.Set("environments", &jsonschema.Schema{Type: "object", AdditionalProperties: &jsonschema.Schema{OneOf: slices.Clone(one.OneOf)}})
		one.OneOf = append(one.OneOf, typed(&jsonschema.Schema{Type: "object", Properties: inner, AdditionalProperties: jsonschema.FalseSchema, Required: []string{"environments"}}, "by_environment"))
		return one
	case reflect.TypeFor[rollback.CommandConfig]():
		type plain rollback.CommandConfig
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "array", Items: &jsonschema.Schema{Type: "string"}}, nested(&plain{})}}
	case reflect.TypeFor[SinkConfig]():
		one := &jsonschema.Schema{Type: "object"}
		for _, kind := range slices.Sorted(maps.Keys(sinkTypes)) {
			one.OneOf = append(one.OneOf, typed(nested(sinkTypes[kind]()), kind))
		}
		return one
	case reflect.TypeFor[GatesConfig]():
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{nested(&GateConfig{}), {Type: "array", Items: nested(&GateConfig{})}}}
	case reflect.TypeFor[ServicesConfig]():
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{
			{Type: "string", Description: "a folder of files with one list each"}, {Type: "array", Items: nested(&ServiceConfig{})},
		}}
	}
	return nil
}

// typed adds the key that says which kind it is.
func typed(s *jsonschema.Schema, kind string) *jsonschema.Schema {
	s.Properties.Set("type", &jsonschema.Schema{Const: kind})
	s.Required = append(s.Required, "type")
	return s
}
