//! `smilerelay.v1.AdministrationService`: what is done to the log itself.

use tonic::{Request, Response, Status};

use super::status;
use crate::{
    event::{
        envelope::NAME_BYTES,
        filter::Violation,
        pb::{EraseUserRequest, EraseUserResponse, administration_service_server::AdministrationService},
    },
    feed::Feed,
    log::Erased,
};

/// The service.
pub struct Administration(pub Feed);

#[tonic::async_trait]
impl AdministrationService for Administration {
    async fn erase_user(&self, request: Request<EraseUserRequest>) -> Result<Response<EraseUserResponse>, Status> {
        let EraseUserRequest { user_id, endpoint } = request.into_inner();
        if user_id.is_empty() || user_id.len() > NAME_BYTES {
            let violation = Violation::new("user_id", format!("it is needed, and has {NAME_BYTES} bytes at most"));
            return Err(status::invalid(vec![violation]));
        }
        let endpoint = Some(endpoint.as_str()).filter(|endpoint| !endpoint.is_empty());
        let Erased { records, through } =
            self.0.erase(&user_id, endpoint).await.map_err(|error| status::not_erased(&error))?;
        // Whose they were is not for the relay's own log lines.
        tracing::info!(events = records, through, "a user's events were erased");
        Ok(Response::new(EraseUserResponse { events_erased: records, erased_through: through }))
    }
}
