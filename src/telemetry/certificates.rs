//! When the certificates that are shown expire, as a metric. They are looked at when that is asked for, so that a new one
//! counts at once.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};
use x509_parser::parse_x509_certificate;

use crate::net::tls::Certificate;

/// The certificates, by the listener that shows them.
#[derive(Debug)]
pub struct Certificates(pub Vec<(&'static str, Arc<Certificate>)>);

impl Collector for Certificates {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut expiry = encoder.encode_descriptor(
            "smile_relay_certificate_expiry_timestamp_seconds",
            "When the certificate that a listener shows expires.",
            None,
            MetricType::Gauge,
        )?;
        for (listener, certificate) in &self.0 {
            let Some(leaf) = certificate.leaf() else { continue };
            // rustls has read it; what this parser can't read, it leaves out.
            let Ok((_, leaf)) = parse_x509_certificate(&leaf) else { continue };
            let at = leaf.validity().not_after.timestamp();
            ConstGauge::new(at).encode(expiry.encode_family(&[("listener", *listener)])?)?;
        }
        Ok(())
    }
}
