fn main() {
    atlas_privatelink_operator::api::crds::write(std::path::Path::new("crds")).unwrap();
}
