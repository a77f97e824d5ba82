// Package config reads what a node is told: the Patroni-style YAML file, the
// PATRONI_* environment, and the dynamic configuration of the store, and
// merges them into typed values.
//
// Load gives a [Local]; [Local.Postgres] merges it with a dynamic
// configuration into a [Postgres]. Everything that is not used as written is
// told in findings that name file, key, value and what is allowed; the values
// of secrets never appear in them. All keys are in one table, [Keys]: layer,
// type, limits, default, and what it takes until a change counts;
// [Local.Explain] says which layer, file and line set each effective value,
// [Changes] what a reload changes. [GenerateSample] and [GenerateFrom] write
// files. Load reads the named file and nothing
// else; Postgres looks for the PostgreSQL programs where bin_dir does not say;
// [Local.Validate] looks at the host. The package starts no goroutines and
// keeps no state, and its values may be shared once made.
//
// Source of the keys and their meaning: Patroni's documentation of its
// configuration file. The YAML dialect is YAML 1.1 (yaml.org/type), because
// existing files rely on it.
package config
