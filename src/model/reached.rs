//! A database as its server is reached now: what its spec says by now may wait for a window.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use super::database::{TLS, Tls};
use super::{ContainerSeen, Database, HostPort, PortBinding, Site};

impl Database {
    /// The port where its container is: one that was changed in the spec is the server's only once the
    /// container was made anew, and that may wait for a window.
    pub fn port_of(&self, container: &ContainerSeen) -> HostPort {
        let published = self.published_by(container);
        let port = published.and_then(|p| HostPort::try_from(p.host).ok());
        port.unwrap_or(self.port)
    }

    /// The address where its container is, if that is not the one of the settings: another one is the
    /// server's, too, only once the container was made anew.
    pub fn bound_by(&self, container: &ContainerSeen, site: &Site) -> Option<IpAddr> {
        let ip = self.published_by(container)?.ip;
        (ip.to_canonical() != site.publish_ip.to_canonical()).then_some(ip)
    }

    fn published_by<'c>(&self, container: &'c ContainerSeen) -> Option<&'c PortBinding> {
        let inside = self.layout.ports.first();
        let mut ports = container.ports.iter();
        ports.find(|p| Some(&p.container) == inside)
    }

    /// The same database at that port and address; lent where they are those of spec and settings, as they
    /// nearly always are.
    pub fn at_port_of(&self, container: &ContainerSeen, site: &Site) -> Cow<'_, Self> {
        let port = self.port_of(container);
        let bound = self.bound_by(container, site);
        if port == self.port && bound == self.bound {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Database {
            port,
            bound,
            ..self.clone()
        })
    }

    /// The same database as its server was last started or told, by the settings that are in
    /// force: another `tls` may wait for a window, and while it is being changed the server demands
    /// it or not, but has it. Lent where that changes nothing.
    pub fn as_in_force(&self, settings: &BTreeMap<String, String>) -> Cow<'_, Self> {
        let tls = match settings.get(TLS).map(String::as_str) {
            None => None,
            Some("Preferred") => Some(Tls::Preferred),
            Some(_) => Some(Tls::Required),
        };
        if tls == self.tls {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Database {
            tls,
            ..self.clone()
        })
    }

    /// The same database with these settings, among which `tls` stands, too, and what holds its users to
    /// reading.
    pub fn with_settings(&self, settings: &BTreeMap<String, String>) -> Self {
        let mut db = self.as_in_force(settings).into_owned();
        db.read_only = false;
        db.settings.clone_from(settings);
        db.settings.remove(TLS);
        db
    }
}
