//! `provider::everykind::shout` and `provider::everykind::echo`.

use tfplugin::{Function, FunctionError, FunctionSignature, Parameter, Type, Value};

pub(crate) struct Shout;

#[tfplugin::async_trait]
impl Function for Shout {
    fn name(&self) -> &'static str {
        "shout"
    }

    fn signature(&self) -> FunctionSignature {
        FunctionSignature::new([Parameter::new("text", Type::String)], Type::String)
            .variadic(Parameter::new("more", Type::String))
            .summary("Text in capitals")
    }

    async fn call(&self, arguments: Vec<Value>) -> Result<Value, FunctionError> {
        let words: Vec<_> = arguments.iter().filter_map(Value::as_str).map(str::to_uppercase).collect();
        match words.iter().position(String::is_empty) {
            Some(position) => Err(FunctionError::new("nothing to shout").at_argument(position)),
            None => Ok(words.join(" ").into()),
        }
    }
}

pub(crate) struct Echo;

#[tfplugin::async_trait]
impl Function for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn signature(&self) -> FunctionSignature {
        let value = Parameter { allow_null: true, allow_unknown: true, ..Parameter::new("value", Type::Dynamic) };
        FunctionSignature::new([value], Type::Dynamic).summary("The same value")
    }

    async fn call(&self, arguments: Vec<Value>) -> Result<Value, FunctionError> {
        arguments.into_iter().next().ok_or_else(|| FunctionError::new("nothing to echo"))
    }
}
