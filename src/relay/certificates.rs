//! The certificates that listeners show, and the authorities whose clients they trust.

use std::sync::Arc;

use super::{
    RelayError,
    reload::{Metrics, Reload},
};
use crate::{
    config::{CertifiedKeyFiles, Config, PublicSecurity},
    net::{
        ClientAuthorities,
        tls::{self, Tls},
    },
    telemetry,
};

/// What the listeners show, and whom they trust.
pub struct Certificates {
    pub public: Option<Tls>,
    pub grpc: Option<Tls>,
    /// Who signs the certificates of gRPC clients.
    pub clients: Option<Arc<ClientAuthorities>>,
    /// That of the public listener in PEM, if it was made up.
    pub self_signed: Option<String>,
}

impl Certificates {
    /// # Errors
    /// Names the flag and the file.
    pub fn load(config: &Config) -> Result<Self, RelayError> {
        let load = |flag, files: &CertifiedKeyFiles, alpn| {
            tls::load(&files.cert, &files.key, alpn).map_err(|source| RelayError::Tls { flag, source })
        };
        let (public, self_signed) = match &config.public_security {
            PublicSecurity::Tls(files) => (Some(load("--tls-cert, --tls-key", files, tls::ALPN_WEB)?), None),
            PublicSecurity::SelfSigned => {
                let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
                let made = tls::self_signed(&names, tls::ALPN_WEB);
                let (made, pem) = made.map_err(|source| RelayError::Tls { flag: "--tls-self-signed", source })?;
                (Some(made), Some(pem))
            }
            PublicSecurity::PlainHttp => (None, None),
        };
        let client_ca = config.identity.as_ref().and_then(|identity| identity.client_ca.as_ref());
        let clients = client_ca
            .map(|path| ClientAuthorities::load(path))
            .transpose()
            .map_err(|source| RelayError::Tls { flag: "--grpc-client-ca", source })?;
        let grpc = config.grpc_tls.as_ref().map(|files| {
            tls::load_for_grpc(&files.cert, &files.key, clients.clone())
                .map_err(|source| RelayError::Tls { flag: "--grpc-tls-cert, --grpc-tls-key", source })
        });
        Ok(Self { public, grpc: grpc.transpose()?, clients, self_signed })
    }

    /// Those that are shown, by their listeners.
    pub fn shown(&self) -> telemetry::Certificates {
        let named = [("public", &self.public), ("grpc", &self.grpc)];
        let shown = named.into_iter().filter_map(|(name, tls)| Some((name, Arc::clone(&tls.as_ref()?.certificate))));
        telemetry::Certificates(shown.collect())
    }

    /// What to do when files with certificates change.
    pub fn reloads(&self, public: &PublicSecurity, grpc: Option<&CertifiedKeyFiles>, metrics: &Metrics) -> Vec<Reload> {
        let reload = |what, tls: &Option<Tls>, files: Option<&CertifiedKeyFiles>| {
            let (certificate, files) = (Arc::clone(&tls.as_ref()?.certificate), files?.clone());
            Some(Reload::new(what, vec![files.cert.clone(), files.key.clone()], metrics, move || {
                certificate.replace(&files.cert, &files.key).map_err(|e| e.to_string())
            }))
        };
        let public = match public {
            PublicSecurity::Tls(files) => reload("public_certificate", &self.public, Some(files)),
            PublicSecurity::SelfSigned | PublicSecurity::PlainHttp => None,
        };
        public.into_iter().chain(reload("grpc_certificate", &self.grpc, grpc)).collect()
    }
}
