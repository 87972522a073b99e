package rules

import "reflect"

// Keys are all keys that a file of rules may have.
func Keys() []string { return keysOf(reflect.TypeFor[ruleFile](), nil) }
