//! A request, as Cedar sees it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use cedar_policy::{
    Context, EntityId, EntityTypeName, EntityUid, EvalResult, ParseErrors, Request as CedarRequest,
    RestrictedExpression,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use taskpass_identity::SpiffeId;

use super::needs::{Attribute, Needs};
use super::schema::{ACTION, TASK, WORKLOAD};
use crate::domain::policy::circumstances::Circumstances;
use crate::domain::policy::decision::Environment;
use crate::domain::policy::parameter::ParameterKind;
use crate::domain::policy::request::Request;
use crate::domain::policy::snapshot::{Identity, Task};
use crate::domain::time::UnixMillis;

type Field = (String, RestrictedExpression);

/// The types of entities, parsed once: Cedar's parser costs more than the rest of a decision.
static TYPES: LazyLock<Result<Types, String>> = LazyLock::new(|| {
    let parse = |name: &str| name.parse().map_err(|error: ParseErrors| error.to_string());
    Ok(Types {
        workload: parse(WORKLOAD)?,
        action: parse("Action")?,
        task: parse(TASK)?,
    })
});

struct Types {
    workload: EntityTypeName,
    action: EntityTypeName,
    task: EntityTypeName,
}

/// The context of one decision.
#[derive(Debug)]
pub(in crate::domain::policy) struct Facts {
    request: CedarRequest,
}

impl Facts {
    /// Gathers what conditions look at; the parameters must be those that the task takes.
    pub(in crate::domain::policy) fn gather(
        request: &Request<'_>,
        task: &Task,
        (environment, identity): (&Environment, Option<&Identity>),
        needs: Needs,
    ) -> Result<Self, String> {
        let types = TYPES.as_ref().map_err(Clone::clone)?;
        let subject = request.subject;
        let circumstances = request.circumstances;
        let value = |attribute| {
            Ok::<_, String>(match attribute {
                Attribute::Subject => string(subject.as_str()),
                Attribute::TrustDomain => string(subject.trust_domain().as_str()),
                Attribute::Path => path(subject),
                Attribute::Name => string(subject.segments().last().unwrap_or_default()),
                Attribute::Segments => set(subject.segments()),
                Attribute::Environment => string(environments(environment).0),
                Attribute::Environments => set(environments(environment).1),
                Attribute::Task => string(&task.name),
                Attribute::Params => parameters(task, request.parameters)?,
                Attribute::Time => time(circumstances.at)?,
                Attribute::Job => job(circumstances)?,
                Attribute::Identity => described(identity)?,
                Attribute::Risk => risk(circumstances)?,
                Attribute::Reported => reported(circumstances)?,
            })
        };
        let fields = needs
            .attributes()
            .map(|attribute| Ok((attribute.name().to_owned(), value(attribute)?)))
            .collect::<Result<Vec<Field>, String>>()?;
        let context = Context::from_pairs(fields);
        let request = CedarRequest::new(
            uid(&types.workload, subject.as_str()),
            uid(&types.action, ACTION),
            uid(&types.task, &task.name),
            context.map_err(shown)?,
            None,
        );
        Ok(Self {
            request: request.map_err(shown)?,
        })
    }

    pub(in crate::domain::policy) fn request(&self) -> &CedarRequest {
        &self.request
    }

    /// The value of an attribute, `context.params.ref`; none when it is not there.
    pub(super) fn value(&self, path: &[String]) -> Option<String> {
        let (root, rest) = path.split_first()?;
        match root.as_str() {
            "principal" => return self.request.principal().map(ToString::to_string),
            "resource" => return self.request.resource().map(ToString::to_string),
            _ => {}
        }
        let (first, rest) = rest.split_first()?;
        let mut value = self.request.context()?.get(first)?;
        for name in rest {
            let EvalResult::Record(fields) = value else {
                return None;
            };
            value = fields.get(name)?.clone();
        }
        Some(value.to_string())
    }
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

fn path(subject: &SpiffeId) -> RestrictedExpression {
    let path = subject.as_str().splitn(4, '/').nth(3);
    string(&path.map(|path| format!("/{path}")).unwrap_or_default())
}

fn parameters(
    task: &Task,
    given: &BTreeMap<String, String>,
) -> Result<RestrictedExpression, String> {
    let mut fields = Vec::with_capacity(given.len());
    for (name, value) in given {
        fields.push((name.clone(), parameter(task, name, value)?));
    }
    record(fields)
}

fn job(Circumstances { at, job, .. }: &Circumstances) -> Result<RestrictedExpression, String> {
    record([
        field("is_renewal", RestrictedExpression::new_bool(job.is_renewal)),
        field("opened_at", seconds(job.opened_at)),
        field("age", long(at.since(job.opened_at).as_secs())),
        field("generation", long(job.generation.into())),
    ])
}

fn risk(Circumstances { risk, .. }: &Circumstances) -> Result<RestrictedExpression, String> {
    record([
        field("exposed", RestrictedExpression::new_bool(risk.exposed)),
        field("elevated", RestrictedExpression::new_bool(risk.elevated)),
    ])
}

fn reported(
    Circumstances { reported, .. }: &Circumstances,
) -> Result<RestrictedExpression, String> {
    record(reported.iter().flat_map(|reported| {
        [
            field("host", string(&reported.host)),
            field("uid", long(reported.uid.into())),
            field("gid", long(reported.gid.into())),
            field("pid", long(reported.pid.into())),
            field("executable", string(&reported.executable)),
        ]
    }))
}

fn parameter(task: &Task, name: &str, value: &str) -> Result<RestrictedExpression, String> {
    let declared = task.parameters.get(name);
    let declared = declared.ok_or_else(|| format!("parameter `{name}` is not declared"))?;
    Ok(match &declared.kind {
        ParameterKind::Integer { .. } => {
            RestrictedExpression::new_long(value.parse().map_err(shown)?)
        }
        ParameterKind::Boolean => RestrictedExpression::new_bool(value.parse().map_err(shown)?),
        ParameterKind::OneOf(_)
        | ParameterKind::Token
        | ParameterKind::Path
        | ParameterKind::Text => string(value),
    })
}

fn environments(environment: &Environment) -> (&str, impl Iterator<Item = &str>) {
    let (one, all): (&str, &[std::sync::Arc<str>]) = match environment {
        Environment::None => ("", &[]),
        Environment::One(name) => (name, std::slice::from_ref(name)),
        Environment::Several(names) => ("", names),
    };
    (one, all.iter().map(|name| &**name))
}

/// UTC; the week begins with Monday, which is 1 (ISO 8601).
fn time(at: UnixMillis) -> Result<RestrictedExpression, String> {
    let unix = i64::try_from(at.as_seconds()).map_err(shown)?;
    let civil = Timestamp::from_second(unix)
        .map_err(shown)?
        .to_zoned(TimeZone::UTC);
    record([
        field("unix", RestrictedExpression::new_long(unix)),
        field("date", string(&civil.date().to_string())),
        field("hour", RestrictedExpression::new_long(civil.hour().into())),
        field(
            "minute",
            RestrictedExpression::new_long(civil.minute().into()),
        ),
        field(
            "weekday",
            RestrictedExpression::new_long(civil.weekday().to_monday_one_offset().into()),
        ),
    ])
}

fn described(identity: Option<&Identity>) -> Result<RestrictedExpression, String> {
    let (kind, name, owner) = identity.map_or(("", "", ""), |identity| {
        (identity.kind.as_str(), &*identity.name, &*identity.owner)
    });
    let tools = identity
        .into_iter()
        .flat_map(|identity| identity.tools.iter());
    record([
        field("kind", string(kind)),
        field("name", string(name)),
        field("owner", string(owner)),
        field("tools", set(tools.map(|tool| &**tool))),
    ])
}

fn field(name: &str, value: RestrictedExpression) -> Field {
    (name.to_owned(), value)
}

fn record(fields: impl IntoIterator<Item = Field>) -> Result<RestrictedExpression, String> {
    RestrictedExpression::new_record(fields).map_err(shown)
}

fn string(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

fn set<'a>(texts: impl Iterator<Item = &'a str>) -> RestrictedExpression {
    RestrictedExpression::new_set(texts.map(string))
}

fn long(number: u64) -> RestrictedExpression {
    RestrictedExpression::new_long(i64::try_from(number).unwrap_or(i64::MAX))
}

fn seconds(at: UnixMillis) -> RestrictedExpression {
    long(at.as_seconds())
}

#[allow(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn shown(error: impl ToString) -> String {
    error.to_string()
}
