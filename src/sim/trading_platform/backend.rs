//! The backend: login, executions, pipelines.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::base::httpd::{Request, Response, decode};
use crate::base::time::monotonic;

use super::db::Busy;
use super::desk::Service;
use super::platform::{Execution, Platform};
use super::state::Trigger;
use super::tokens::Tokens;
use super::truth::Deed;

/// Ways to run a pipeline.
const MODES: [&str; 4] = ["live", "paper", "simulation", "validation"];
/// Methods that have a value of the label of their own.
const METHODS: [&str; 5] = ["GET", "POST", "PATCH", "PUT", "DELETE"];
/// Where executions are.
const EXECUTIONS: &str = "/api/v1/executions/";
/// Where pipelines are.
const PIPELINES: &str = "/api/v1/pipelines/";

/// The backend.
pub struct Backend {
    platform: Arc<Platform>,
    tokens: Tokens,
    accepted: AtomicU64,
}

impl Backend {
    /// Nobody is logged in.
    pub fn new(platform: Arc<Platform>) -> Backend {
        let tokens = Tokens::new(platform.options.token_life);
        Backend { platform, tokens, accepted: AtomicU64::new(0) }
    }

    /// The route of a request as metrics call it, and its answer.
    async fn route(&self, request: &Request) -> (&'static str, Response) {
        let path = request.path.as_str();
        match (request.method.as_str(), path) {
            ("POST", "/api/v1/auth/login") => ("/api/v1/auth/login", self.login(request).await),
            // The framework sends whoever leaves the slash out to where it is.
            (_, "/api/v1/executions" | "/api/v1/pipelines") => {
                ("other", Response::text(307, "").with("Location", format!("{path}/")))
            }
            ("POST", EXECUTIONS) => (EXECUTIONS, self.allowed(request, self.start(request)).await),
            ("GET", PIPELINES) => (PIPELINES, self.allowed(request, self.pipelines()).await),
            (method, _) => {
                if let Some(id) = path.strip_prefix(EXECUTIONS).filter(|_| method == "GET") {
                    ("/api/v1/executions/{id}", self.allowed(request, self.execution(id)).await)
                } else if let Some(id) = path.strip_prefix(PIPELINES).filter(|_| method == "PATCH") {
                    ("/api/v1/pipelines/{id}", self.allowed(request, self.switch(id, request)).await)
                } else {
                    ("other", detail(404, "Not Found"))
                }
            }
        }
    }

    /// Does what was asked for, if the request may.
    async fn allowed(&self, request: &Request, deed: impl Future<Output = Response>) -> Response {
        if self.platform.options.auth && !self.tokens.admits(request.header("authorization")) {
            return detail(401, "the token is missing, unknown or expired").with("WWW-Authenticate", "Bearer");
        }
        deed.await
    }

    async fn login(&self, request: &Request) -> Response {
        let wanted = self.platform.options.password.as_ref();
        let (user, password) = credentials(request);
        // Who asks for none takes none.
        let password = password.or_else(|| wanted.is_none().then(|| "any".to_owned()));
        let (Some(user), Some(password)) = (user, password) else {
            return detail(422, "username and password are needed");
        };
        self.platform.db.query("select_user").await;
        if user.is_empty() || password.is_empty() || wanted.is_some_and(|wanted| *wanted != password) {
            return detail(401, "user or password is wrong");
        }
        let (token, life) = (self.tokens.give(), self.tokens.life().as_secs());
        Response::json(200, &json!({ "access_token": token, "token_type": "bearer", "expires_in": life }))
    }

    async fn start(&self, request: &Request) -> Response {
        let platform = &self.platform;
        let Ok(Value::Object(body)) = serde_json::from_slice(&request.body) else {
            return detail(422, "the body is no JSON object");
        };
        let Some(id) = body.get("pipeline_id").and_then(Value::as_str) else {
            return detail(422, "pipeline_id is needed");
        };
        let mode = body.get("mode").map_or(Some("paper"), Value::as_str);
        let Some(mode) = mode.and_then(|mode| MODES.into_iter().find(|known| *known == mode)) else {
            return detail(422, "mode is one of live, paper, simulation, validation");
        };
        platform.db.query("select_pipeline").await;
        let Some(pipeline) = platform.pipelines.find(id) else { return detail(404, "no such pipeline") };
        let symbol = body.get("symbol").and_then(Value::as_str).unwrap_or(platform.pipelines.ticker(pipeline));
        platform.db.query("insert_execution").await;
        let id = platform.start(pipeline, Trigger::Manual, None, mode, symbol);
        tokio::time::sleep(platform.options.accept_delay).await;
        let mut said = json!({
            "id": id,
            "pipeline_id": platform.pipelines.id(pipeline),
            "status": "PENDING",
            "mode": mode,
            "symbol": symbol,
            "trigger_mode": Trigger::Manual.label(),
        });
        let every = platform.options.drop_id_every;
        if every > 0 && (self.accepted.fetch_add(1, Relaxed) + 1).is_multiple_of(every) {
            platform.log.write(|| Deed::NoId { execution: id });
            said.as_object_mut().map(|said| said.remove("id"));
        }
        Response::json(202, &said)
    }

    async fn execution(&self, id: &str) -> Response {
        self.platform.db.query("select_execution").await;
        match self.platform.find(id) {
            Some(execution) => Response::json(200, &shown(&self.platform, &execution)),
            None => detail(404, "no such execution"),
        }
    }

    async fn pipelines(&self) -> Response {
        self.platform.db.query("select_pipelines").await;
        let all = (0..self.platform.pipelines.count()).map(|n| self.pipeline(n));
        Response::json(200, &Value::Array(all.collect()))
    }

    /// Switches a pipeline on or off; the dispatcher learns of it when it next reads its cache.
    async fn switch(&self, id: &str, request: &Request) -> Response {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let Some(on) = body["is_active"].as_bool() else { return detail(422, "is_active is needed") };
        self.platform.db.query("update_pipeline").await;
        let Some(n) = self.platform.pipelines.find(id) else { return detail(404, "no such pipeline") };
        self.platform.pipelines.switch(n, on);
        Response::json(200, &self.pipeline(n))
    }

    fn pipeline(&self, n: usize) -> Value {
        let pipelines = &self.platform.pipelines;
        let types: Vec<&str> = pipelines.types(n).collect();
        json!({ "id": pipelines.id(n), "symbol": pipelines.ticker(n), "signal_types": types,
            "is_active": pipelines.is_active(n) })
    }
}

impl Service for Backend {
    async fn answer(&self, request: &Request) -> Option<Response> {
        if request.path == "/api/v1/health" {
            return Some(Response::json(200, &json!({ "status": "healthy" })));
        }
        let from = monotonic();
        let metrics = &self.platform.backend;
        let _busy = Busy::new(&metrics.active);
        let (route, response) = self.route(request).await;
        let method = METHODS.into_iter().find(|known| *known == request.method).unwrap_or("other");
        let took = Duration::from_nanos(monotonic() - from);
        metrics.requests.with([method, route, &response.status.to_string()]).observe_duration(took);
        Some(response)
    }
}

/// An execution as the API shows it.
pub fn shown(platform: &Platform, execution: &Execution) -> Value {
    let at = |nanos: i64| match nanos {
        0 => Value::Null,
        nanos => moment(nanos).into(),
    };
    let mut said = Map::new();
    said.insert("id".into(), platform.id(execution.number).into());
    said.insert("pipeline_id".into(), platform.pipelines.id(execution.pipeline).into());
    said.insert("status".into(), execution.state.name().into());
    said.insert("mode".into(), execution.mode.into());
    said.insert("symbol".into(), execution.symbol.to_string().into());
    said.insert("trigger_mode".into(), execution.trigger.label().into());
    said.insert("signal_id".into(), execution.cause.as_ref().map_or(Value::Null, |c| c.signal.to_string().into()));
    said.insert("attempts".into(), execution.attempts.into());
    said.insert("created_at".into(), at(execution.created));
    said.insert("completed_at".into(), at(execution.ended));
    said.into()
}

/// An instant, in nanoseconds since the Unix epoch, as ISO 8601 has it.
pub fn moment(nanos: i64) -> String {
    let millis = jiff::Timestamp::from_millisecond(nanos / 1_000_000).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{millis:.3}")
}

/// User and password of a login, as JSON or as a form.
fn credentials(request: &Request) -> (Option<String>, Option<String>) {
    let is_form = request.header("content-type").is_some_and(|media| media.starts_with("application/x-www-form"));
    if is_form {
        let text = String::from_utf8_lossy(&request.body);
        let field = |name: &str| {
            let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
            pairs.filter(|(key, _)| *key == name).map(|(_, value)| decode(&value.replace('+', " "))).next()
        };
        return (field("username"), field("password"));
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    let field = |name: &str| body[name].as_str().map(str::to_owned);
    (field("username"), field("password"))
}

fn detail(status: u16, why: &str) -> Response {
    Response::json(status, &json!({ "detail": why }))
}
