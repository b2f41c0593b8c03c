//! Traces and metrics for an OpenTelemetry collector: what arrives there, what a consumer gets of it, and that a collector that
//! is away or silent costs nothing.

mod support;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use http::Request;
use http_body_util::Full;
use opentelemetry_proto::tonic::{
    collector::{
        metrics::v1::{
            ExportMetricsServiceRequest, ExportMetricsServiceResponse,
            metrics_service_server::{MetricsService, MetricsServiceServer},
        },
        trace::v1::{
            ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::{TraceService, TraceServiceServer},
        },
    },
    common::v1::{KeyValue, any_value},
    metrics::v1::{Metric, metric::Data, number_data_point},
    resource::v1::Resource,
    trace::v1::Span,
};
use smile_relay::event::pb::SubscribeRequest;
use support::{
    Place, Relay,
    client::{Reader, Sender, body, everything, sign},
    command, eventually,
};
use tokio::net::TcpListener;
use tonic::{Response, Status};

/// A collector that keeps what it is sent.
#[derive(Clone, Default)]
struct Collector {
    traces: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    metrics: Arc<Mutex<Vec<ExportMetricsServiceRequest>>>,
    /// The headers that metrics, and traces, came with.
    tenants: Arc<Mutex<Vec<String>>>,
}

fn tenant<T>(request: &tonic::Request<T>) -> String {
    request.metadata().get("x-tenant").and_then(|tenant| tenant.to_str().ok()).unwrap_or_default().to_owned()
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.tenants.lock().unwrap().push(tenant(&request));
        self.traces.lock().unwrap().push(request.into_inner());
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: tonic::Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.tenants.lock().unwrap().push(tenant(&request));
        self.metrics.lock().unwrap().push(request.into_inner());
        Ok(Response::new(Default::default()))
    }
}

impl Collector {
    /// Listens; the flag that names it.
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let flag = format!("--otlp-endpoint=http://{}", listener.local_addr().unwrap());
        let router = tonic::service::Routes::new(TraceServiceServer::new(self.clone()))
            .add_service(MetricsServiceServer::new(self.clone()))
            .prepare()
            .into_axum_router();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = hyper_util::service::TowerToHyperService::new(router.clone());
                let http2 = hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
                tokio::spawn(http2.serve_connection(hyper_util::rt::TokioIo::new(stream), service));
            }
        });
        flag
    }

    fn spans(&self) -> Vec<(Span, Resource)> {
        let traces = self.traces.lock().unwrap();
        let of_resources = traces.iter().flat_map(|request| request.resource_spans.clone());
        let spans = of_resources.flat_map(|of_resource| {
            let resource = of_resource.resource.unwrap_or_default();
            let spans = of_resource.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans);
            spans.map(move |span| (span, resource.clone())).collect::<Vec<_>>()
        });
        spans.collect()
    }
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    let value = attributes.iter().find(|attribute| attribute.key == key).and_then(|attribute| attribute.value.clone());
    match value.and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    faster_hex::hex_string(bytes)
}

/// Sends a webhook with a trace context, or with none.
async fn send(relay: &Relay, id: &str, traceparent: Option<&str>) {
    let (sender, body) = (Sender::new(relay), body(id));
    let mut request =
        Request::post(format!("{}/webhooks/smile", sender.base())).header("smile-signature", sign(body.as_bytes()));
    if let Some(traceparent) = traceparent {
        request = request.header("traceparent", traceparent);
    }
    assert_eq!(sender.request(request.body(Full::new(body.into())).unwrap()).await.status(), 200);
}

const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_is_continued_from_the_delivery_to_the_event() {
    let collector = Collector::default();
    let flag = collector.start().await;
    let place = Place::default();
    let mut relay = place.start(&[&flag, "--trace-sample=0"]);
    send(&relay, "et-given", Some(GIVEN)).await;
    send(&relay, "et-none", None).await;
    // Its sender has decided that it is not to be traced.
    send(&relay, "et-unsampled", Some(&GIVEN.replace("-01", "-00"))).await;
    let wrong = Sender::new(&relay).post("/webhooks/smile", Some(&sign(b"another")), body("et-wrong")).await;
    assert_eq!(wrong.status(), 401);
    let events = everything(&relay).await;
    let of = |id: &str| events.iter().find(|event| event.id == id).unwrap().traceparent.clone();
    assert!(of("et-given").starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{}", of("et-given"));
    assert!(of("et-given").ends_with("-01") && of("et-given") != GIVEN);
    assert!(of("et-none").len() == GIVEN.len() && of("et-none").ends_with("-00"), "{}", of("et-none"));
    assert!(of("et-unsampled").starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
    assert!(of("et-unsampled").ends_with("-00"));

    // What is there is sent at the end.
    relay.signal(rustix::process::Signal::TERM);
    assert_eq!(relay.until_exit().code(), Some(0));
    let spans = collector.spans();
    assert_eq!(spans.len(), 1, "{spans:?}");
    let (span, resource) = &spans[0];
    assert_eq!((span.name.as_str(), hex(&span.trace_id)), ("webhook", "4bf92f3577b34da6a3ce929d0e0e4736".into()));
    assert_eq!(hex(&span.parent_span_id), "00f067aa0ba902b7");
    assert_eq!(of("et-given").split('-').nth(2), Some(hex(&span.span_id).as_str()), "the event names the relay's span");
    assert!(span.end_time_unix_nano > span.start_time_unix_nano);
    let attribute = |key: &str| text(&span.attributes, key);
    assert_eq!(attribute("smile_relay.endpoint"), "smile");
    assert_eq!(attribute("smile_relay.event.id"), "et-given");
    assert_eq!(attribute("smile_relay.event.type"), "ACCOUNT_CONNECTED");
    assert_eq!(attribute("smile_relay.event.sequence"), "1");
    assert_eq!(attribute("smile_relay.result"), "stored");
    assert_eq!(text(&resource.attributes, "service.name"), "smile-relay");
    let all = format!("{spans:?}");
    assert!(!all.contains("u-1") && !all.contains("somebody"), "nothing of the body: {all}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_endpoint_there_is_no_trace() {
    let place = Place::default();
    let relay = place.start(&[]);
    send(&relay, "et-given", Some(GIVEN)).await;
    let mut reader = Reader::open(&mut relay.grpc().await, SubscribeRequest::default()).await.unwrap();
    send(&relay, "et-live", Some(GIVEN)).await;
    assert_eq!(reader.take(1).await[0].traceparent, "");
    assert_eq!(everything(&relay).await[0].traceparent, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_metrics_that_are_sent_are_those_that_are_shown() {
    let collector = Collector::default();
    let flag = collector.start().await;
    let place = Place::default();
    // As others set it up: by the standard's own variables.
    let mut relay = place.spawn_with(&[&flag], |command| {
        command
            .env("OTEL_METRIC_EXPORT_INTERVAL", "100")
            .env("OTEL_SERVICE_NAME", "relay-of-tests")
            .env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=tests")
            .env("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=one%20and%20only");
    });
    relay.until_ready();
    send(&relay, "et-1", Some(GIVEN)).await;
    send(&relay, "et-2", None).await;
    let (_, shown) = relay.probe("/metrics");
    let shown: Vec<_> = shown.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let last = || collector.metrics.lock().unwrap().last().cloned();
    let stored = |metrics: &[Metric]| {
        let webhooks = metrics.iter().find(|metric| metric.name == "smile_relay_webhooks")?;
        let Some(Data::Sum(sum)) = &webhooks.data else { panic!("{webhooks:?}") };
        let point = sum.data_points.iter().find(|point| {
            text(&point.attributes, "type") == "ACCOUNT_CONNECTED" && text(&point.attributes, "result") == "stored"
        });
        Some(point?.value == Some(number_data_point::Value::AsDouble(2.0)))
    };
    let sent = eventually("both are counted", || {
        let sent = last()?.resource_metrics.remove(0);
        stored(&sent.scope_metrics[0].metrics).filter(|is_two| *is_two).map(|_| sent)
    });
    let resource = sent.resource.unwrap_or_default();
    assert_eq!(text(&resource.attributes, "service.name"), "relay-of-tests");
    assert_eq!(text(&resource.attributes, "deployment.environment.name"), "tests");
    let metrics = &sent.scope_metrics[0].metrics;
    let bare = |name: &str| name.trim_end_matches("_total").to_owned();
    let mut shown: Vec<_> = shown.into_iter().map(bare).collect();
    let mut names: Vec<_> = metrics.iter().map(|metric| bare(&metric.name)).collect();
    shown.sort();
    names.sort();
    assert_eq!(names, shown, "every metric, and no other");
    let durable = metrics.iter().find(|metric| metric.name == "smile_relay_time_to_durable_seconds").unwrap();
    let Some(Data::Histogram(histogram)) = &durable.data else { panic!("{durable:?}") };
    let point = &histogram.data_points[0];
    assert_eq!((point.count, point.bucket_counts.iter().sum()), (2, 2));
    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
    relay.signal(rustix::process::Signal::TERM);
    relay.until_exit();
    let tenants = collector.tenants.lock().unwrap().clone();
    assert!(!collector.spans().is_empty() && tenants.iter().all(|tenant| tenant == "one and only"), "{tenants:?}");
}

/// Webhooks and the end of a relay are as ever, whatever its collector does.
async fn assert_unharmed(endpoint: &str) {
    let place = Place::default();
    let mut relay = place.spawn_with(&[&format!("--otlp-endpoint={endpoint}"), "--trace-sample=1"], |command| {
        command.env("OTEL_METRIC_EXPORT_INTERVAL", "100").env("OTEL_BSP_SCHEDULE_DELAY", "50");
    });
    relay.until_ready();
    let sender = Sender::new(&relay);
    let began = Instant::now();
    sender.send_all((0..3000).map(|n| body(&format!("et-{n}"))), 20).await;
    println!("{endpoint}: 3000 webhooks in {:?}", began.elapsed());
    assert_eq!(relay.probe("/readyz").0, 200);
    let began = Instant::now();
    relay.signal(rustix::process::Signal::TERM);
    assert_eq!(relay.until_exit().code(), Some(0));
    // Far from the 20 s that it may take: nobody waits for a collector for long.
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    println!("{endpoint}: ended after {:?}", began.elapsed());
    let complaints = relay.log().matches("the OpenTelemetry collector does not take").count();
    assert!(complaints <= 2, "at most one a minute for each signal: {}", relay.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_harms_nobody() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    assert_unharmed(&endpoint).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_never_answers_harms_nobody() {
    // It takes connections, and reads nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    assert_unharmed(&format!("http://{}", silent.local_addr().unwrap())).await;
}

#[test]
fn an_endpoint_that_is_none_is_named() {
    let place = Place::default();
    let args = place.args(&["--otlp-endpoint=collector"]);
    let output = command().args(args).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("--otlp-endpoint collector") && said.contains("http://HOST:PORT"), "{said}");
}
