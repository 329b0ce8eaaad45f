// Evaluates many expressions with GitHub's own library: {contexts, expressions} on standard input, a list of
// {value} or {error} on standard output. Objects come as lists of pairs, and numbers as text, so that nothing is lost.
import { readFileSync } from "node:fs";
import { data, Evaluator, Lexer, Parser } from "@actions/expressions";

const given = JSON.parse(readFileSync(0, "utf8"));

function wrap(value) {
  if (value === null) return new data.Null();
  if (typeof value === "string") return new data.StringData(value);
  if (typeof value === "number") return new data.NumberData(value);
  if (typeof value === "boolean") return new data.BooleanData(value);
  if (Array.isArray(value)) return new data.Array(...value.map(wrap));
  return new data.Dictionary(...Object.entries(value).map(([key, inner]) => ({ key, value: wrap(inner) })));
}

function unwrap(value) {
  switch (value.kind) {
    case data.Kind.Null:
      return { null: true };
    case data.Kind.Number:
      return { number: String(value.value) };
    case data.Kind.String:
      return { string: value.value };
    case data.Kind.Boolean:
      return { boolean: value.value };
    case data.Kind.Array:
      return { array: value.values().map(unwrap) };
    default:
      return { object: value.pairs().map(({ key, value: inner }) => [key, unwrap(inner)]) };
  }
}

const contexts = wrap(given.contexts);
const names = Object.keys(given.contexts);

function evaluate(expression) {
  try {
    const parsed = new Parser(new Lexer(expression).lex().tokens, names, []).parse();
    const value = new Evaluator(parsed, contexts).evaluate();
    return { value: unwrap(value), text: value.coerceString() };
  } catch (error) {
    return { error: error.message };
  }
}

process.stdout.write(JSON.stringify(given.expressions.map(evaluate)));
