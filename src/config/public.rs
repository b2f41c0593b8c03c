//! Who may call the public listener, through which proxies, and how many at once.

use ipnet::IpNet;

use super::{
    ConfigError, Settings,
    check::{bytes, count, wrong},
};
use crate::{
    net::{Limits, Networks, Proxies, network},
    webhook::SMILES_ADDRESS,
};

/// What stands for Smile's address in a list of peers.
const SMILE: &str = "smile";
/// What a request over HTTP/2 takes beside its body, some 5 to 6 KiB. The default window has room for a hundred.
const REQUEST_BYTES: u32 = 5 << 10;
/// What stands for whoever connects to a Unix socket in the list of proxies.
const UNIX: &str = "unix";

/// The limits of the public listener.
pub(super) fn limits(settings: &Settings) -> Result<Limits, ConfigError> {
    let most = |flag: &str, most: Option<usize>| most.map(|most| count(flag, most)).transpose();
    let standard = Limits::public();
    let window = u32::try_from(bytes("--http2-window", settings.http2_window)?).expect("it is less than 2 GiB");
    Ok(Limits {
        connections: most("--max-connections", settings.max_connections)?.unwrap_or(standard.connections),
        connections_per_address: most("--max-connections-per-address", settings.max_connections_per_address)?,
        proxies: proxies(settings)?.into(),
        connection_window_bytes: window,
        // So that no request that waits holds up the others of its connection.
        stream_window_bytes: window / 2,
        streams_per_connection: (window / REQUEST_BYTES).min(standard.streams_per_connection),
        ..standard
    })
}

/// The networks that are written under `key`.
pub(super) fn peers(key: &str, texts: &[String]) -> Result<Networks, ConfigError> {
    let read = |text: &String| {
        let network = network(if text == SMILE { SMILES_ADDRESS } else { text });
        network.ok_or_else(|| {
            wrong(format!(
                "{key} {text}: write an address, a network such as 10.0.0.0/8, or {SMILE} for {SMILES_ADDRESS}"
            ))
        })
    };
    texts.iter().map(read).collect()
}

fn proxies(settings: &Settings) -> Result<Proxies, ConfigError> {
    const FLAG: &str = "--trusted-proxy";
    let texts = settings.trusted_proxy.as_deref().unwrap_or_default();
    let read = |text: &&String| -> Result<IpNet, ConfigError> {
        let network = network(text).ok_or_else(|| {
            wrong(format!("{FLAG} {text}: write an address, a network such as 10.0.0.0/8, or {UNIX} for Unix sockets"))
        })?;
        if network.prefix_len() == 0 {
            return Err(wrong(format!(
                "{FLAG} {text}: that is everybody, so that anybody could choose the address to be seen with; name the \
                 proxies' own addresses"
            )));
        }
        Ok(network)
    };
    let protocol = settings.proxy_protocol == Some(true);
    if protocol && texts.is_empty() {
        return Err(wrong(format!(
            "--proxy-protocol is taken from trusted proxies alone, and there is none: set {FLAG} to their addresses"
        )));
    }
    let header = settings.forwarded_header.as_deref().map(str::parse).transpose();
    Ok(Proxies {
        trusted: texts.iter().filter(|text| *text != UNIX).map(|text| read(&text)).collect::<Result<_, _>>()?,
        trusts_unix: texts.iter().any(|text| text == UNIX),
        header: header.map_err(|e| wrong(format!("--forwarded-header: {e}")))?.unwrap_or_default(),
        protocol,
    })
}
