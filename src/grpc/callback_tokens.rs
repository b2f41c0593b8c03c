//! `smilerelay.v1.CallbackTokenService`: tokens for browsers that report callbacks.

use std::time::Duration;

use prost_types::Timestamp;
use tonic::{Request, Response, Status};

use super::status;
use crate::{
    callback::{TokenRequest, Tokens},
    event::{
        filter::Violation,
        pb::{
            CreateCallbackTokenRequest, CreateCallbackTokenResponse,
            callback_token_service_server::CallbackTokenService,
        },
    },
};

/// The service; without tokens if callbacks are off.
pub struct CallbackTokens(pub Option<Tokens>);

#[tonic::async_trait]
impl CallbackTokenService for CallbackTokens {
    async fn create_callback_token(
        &self,
        request: Request<CreateCallbackTokenRequest>,
    ) -> Result<Response<CreateCallbackTokenResponse>, Status> {
        let Some(tokens) = &self.0 else { return Err(status::callbacks_off()) };
        let CreateCallbackTokenRequest { user_id, time_to_live, allowed_origins, session_label } = request.into_inner();
        let negative = || status::invalid(vec![Violation::new("time_to_live", "it can't be negative")]);
        let ttl = time_to_live.map(Duration::try_from).transpose().map_err(|_| negative())?;
        let request = TokenRequest { user: user_id, ttl, origins: allowed_origins, session: session_label };
        let issued = tokens.issue(request).map_err(status::invalid)?;
        let seconds = i64::try_from(issued.expires_at).unwrap_or(i64::MAX);
        let expires_at = Some(Timestamp { seconds, nanos: 0 });
        Ok(Response::new(CreateCallbackTokenResponse { token: issued.token, expires_at }))
    }
}
